import MeridianAPI
import Primitives
import Quarantine
import XDSCore

extension Meridian_V1_Refusal {
    /// One line of what proxies refuse, as `ListRefusals` shows it.
    init(_ report: RefusalReport) {
        self.init()
        object = report.object
        revision = report.revision
        typeURL = report.aggregate.typeURL.rawValue
        resource = report.aggregate.name.rawValue
        state = report.state.rawValue
        servedRevision = report.servedRevision ?? 0
        leftOut = report.servedRevision == nil && !report.object.isEmpty
        error = report.text
        nodeCount = UInt32(clamping: report.nodeCount)
        nodeIds = report.nodes.map(\.rawValue)
    }
}
