import EnvoyAPI
import GRPC
import Synchronization
import XDSCore

/// Encoded responses by what tells their bytes apart, so that a response that is due on many
/// streams is encoded once.
///
/// Two generations bound it: when the younger one is full it becomes the older one, and what nobody
/// asked for since is forgotten. A response is due on all streams at about the same time, so a
/// short memory is enough.
final class FrameCache: Sendable {
    fileprivate struct Generations {
        /// What was asked for last, by the views: all streams of a view ask for the same one after another.
        var latest: [(key: PushKey, frame: GRPCFrame)?] = Array(repeating: nil, count: 16)
        var young: [PushKey: GRPCFrame] = [:]
        var youngBytes = 0
        var old: [PushKey: GRPCFrame] = [:]
    }

    /// Bytes of one generation.
    private let maximumBytes: Int
    private let generations = Mutex(Generations())

    init(maximumBytes: Int = 2 * 1024 * 1024) {
        self.maximumBytes = maximumBytes
    }

    func frame(for push: Push) throws -> GRPCFrame {
        let key = push.key
        if let frame = generations.withLock({ $0.find(key, push) }) { return frame }
        // Two loops may encode the same at once; the bytes are equal, so the second one is only
        // waste.
        let frame = try Self.encode(push)
        generations.withLock { generations in
            if generations.youngBytes + frame.buffer.readableBytes > maximumBytes {
                generations.old = generations.young
                generations.young = [:]
                generations.youngBytes = 0
            }
            generations.young[key] = frame
            generations.latest[push.slot] = (key, frame)
            generations.youngBytes += frame.buffer.readableBytes
        }
        return frame
    }

    private static func encode(_ push: Push) throws -> GRPCFrame {
        switch push.variant {
        case .delta: try GRPCFrame(Envoy_Service_Discovery_V3_DeltaDiscoveryResponse(push))
        case .stateOfTheWorld: try GRPCFrame(Envoy_Service_Discovery_V3_DiscoveryResponse(push))
        }
    }
}

extension FrameCache.Generations {
    /// The frame of the key, which is the push's.
    fileprivate mutating func find(_ key: PushKey, _ push: Push) -> GRPCFrame? {
        if let latest = latest[push.slot], latest.key == key { return latest.frame }
        guard let frame = young[key] ?? old[key] else { return nil }
        latest[push.slot] = (key, frame)
        return frame
    }
}

extension Push {
    /// Where the push's frame stands among the latest.
    fileprivate var slot: Int {
        Int(truncatingIfNeeded: nonce.cursor.view.rawValue &+ UInt64(typeURL.rank)) & 15
    }
}
