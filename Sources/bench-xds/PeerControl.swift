import CEpoll
import Glibc

/// A peer's control port: lines of text, because it has no registry of ours.
///
/// `down C E`, `up C E`, `leave C E` and `join C E` change endpoint E of cluster C; `acks` is
/// answered by the number of acknowledgements that the peer has counted.
final class PeerControl: ChangeSource, PollTarget {
    private let descriptor: CInt
    private var input: [UInt8] = []
    private(set) var acknowledged: UInt64?

    /// Nil when nobody listens.
    init?(port: UInt16, poller: Poller) {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let result = IPv4Endpoint.loopback(port).withSocketAddress { connect(descriptor, $0, $1) }
        guard descriptor >= 0, result == 0 else { return nil }
        var isOn: CInt = 1
        setsockopt(
            descriptor,
            CInt(IPPROTO_TCP),
            TCP_NODELAY,
            &isOn,
            socklen_t(MemoryLayout<CInt>.size)
        )
        _ = poller.watch(descriptor, for: .reading, self)
    }

    var isReady: Bool { true }
    var isSettled: Bool { true }

    func make(_ kind: ChangeKind, of index: EndpointIndex) -> UInt64 {
        let start = Clock.now()
        write("\(kind.rawValue) \(index.cluster) \(index.endpoint)\n")
        return start
    }

    func askForAcknowledged() {
        acknowledged = nil
        write("acks\n")
    }

    private func write(_ line: String) {
        // A line is less than any socket's buffer.
        _ = Array(line.utf8).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    func becameReadable() {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = bytes.withUnsafeMutableBytes {
            recv(descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
        }
        precondition(count > 0, "the peer has closed its control port")
        input += bytes.prefix(count)
        while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
            acknowledged = UInt64(String(decoding: input[..<end], as: UTF8.self))
            input.removeSubrange(...end)
        }
    }

    func becameWritable() {}
    func flush() {}
}
