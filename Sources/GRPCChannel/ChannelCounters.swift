import Synchronization

/// What a channel has done, counted from its start.
final class ChannelCounters: Sendable {
    /// What is counted; the raw value is the place in the array.
    enum Name: Int, CaseIterable {
        case callsStarted
        case callsOK
        case callsFailed
        case callsCancelled
        case picks
        case queued
        case retries
        case transparentRetries
        case hedges
        case retriesRefused
        case breakerOpenings
        case breakerRejections
        case subchannelConnecting
        case subchannelReady
        case subchannelTransientFailure
        case subchannelIdle
        case resolutions
        case resolutionFailures
        case healthChecksFailed

        var metric: String {
            switch self {
            case .callsStarted: "grpc_client_calls_started"
            case .callsOK: "grpc_client_calls_ok"
            case .callsFailed: "grpc_client_calls_failed"
            case .callsCancelled: "grpc_client_calls_cancelled"
            case .picks: "grpc_channel_picks"
            case .queued: "grpc_channel_queued"
            case .retries: "grpc_channel_retries"
            case .transparentRetries: "grpc_channel_transparent_retries"
            case .hedges: "grpc_channel_hedges"
            case .retriesRefused: "grpc_channel_retries_refused"
            case .breakerOpenings: "grpc_channel_breaker_openings"
            case .breakerRejections: "grpc_channel_breaker_rejections"
            case .subchannelConnecting: "grpc_subchannel_connecting"
            case .subchannelReady: "grpc_subchannel_ready"
            case .subchannelTransientFailure: "grpc_subchannel_transient_failure"
            case .subchannelIdle: "grpc_subchannel_idle"
            case .resolutions: "grpc_channel_resolutions"
            case .resolutionFailures: "grpc_channel_resolution_failures"
            case .healthChecksFailed: "grpc_subchannel_health_checks_failed"
            }
        }
    }

    private final class Counter: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let counters = Name.allCases.map { _ in Counter() }

    func count(_ name: Name) {
        counters[name.rawValue].value.wrappingAdd(1, ordering: .relaxed)
    }

    var values: [String: UInt64] {
        var values: [String: UInt64] = [:]
        for name in Name.allCases {
            values[name.metric] = counters[name.rawValue].value.load(ordering: .relaxed)
        }
        return values
    }
}
