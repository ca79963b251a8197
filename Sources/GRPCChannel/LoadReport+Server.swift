import ChannelPolicy
import GRPC

extension LoadReport {
    init(_ load: ServerLoad) {
        self.init(
            requestsPerSecond: load.requestsPerSecond,
            errorsPerSecond: load.errorsPerSecond,
            applicationUtilization: load.applicationUtilization,
            cpuUtilization: load.cpuUtilization
        )
    }
}
