import Glibc

/// Writes a line past the C library's buffers.
func write(_ line: String, to descriptor: CInt) {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
    }
}

/// Standard input by lines, without keeping the poller from its other work.
final class InputLines: PollTarget {
    private var bytes: [UInt8] = []
    private(set) var isOver = false
    private var registration: Poller.Registration?
    private let poller: Poller

    init(poller: Poller) {
        self.poller = poller
        registration = poller.watch(0, for: .reading, self)
    }

    var hasLine: Bool { bytes.contains(UInt8(ascii: "\n")) }

    func next() -> String? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { bytes.removeSubrange(...end) }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    func becameReadable() {
        var chunk = [UInt8](repeating: 0, count: 1_024)
        let count = chunk.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
        if count > 0 {
            bytes += chunk.prefix(count)
        } else {
            isOver = true
            if let registration { poller.close(registration) }
            registration = nil
        }
    }

    func becameWritable() {}
    func flush() {}
}
