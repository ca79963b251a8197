import CEpoll
import Glibc

/// Who a connection belongs to.
protocol WireConnectionOwner: AnyObject {
    /// TCP is there; streams may be opened.
    func connected(_ connection: WireConnection)
    /// A whole gRPC message; the bytes are gone after the call.
    func received(_ message: UnsafeRawBufferPointer, stream: UInt32, on connection: WireConnection)
    /// The server ended the stream.
    func streamEnded(_ stream: UInt32, _ reason: String, on connection: WireConnection)
    func closed(_ connection: WireConnection, _ reason: String)
}

/// A client's HTTP/2 connection without encryption, as lean as ten thousand on a thread must be.
///
/// It knows what our requests and a correct server need, and no more: headers are written without
/// compression, and read only when they end a stream.
final class WireConnection: PollTarget {
    /// What a server may send before it is given more room; Envoy's own default for a stream.
    private static let receiveWindow = 16 * 1024 * 1024
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// `IP_BIND_ADDRESS_NO_PORT` of linux/in.h.
    private static let bindAddressNoPort: CInt = 24
    private static let endStream: UInt8 = 0x1
    private static let acknowledges: UInt8 = 0x1
    private static let endHeaders: UInt8 = 0x4
    private static let isPadded: UInt8 = 0x8

    private let poller: Poller
    private weak var owner: (any WireConnectionOwner)?
    private let buffer: ReadBuffer
    private var registration: Poller.Registration?
    private var descriptor: CInt
    private var isConnecting = true
    private var isReading = true
    private var waitsForRoom = false
    private var willFlush = false

    /// The beginning of a frame whose end has not come.
    private var leftover: [UInt8] = []
    private var outbound: [UInt8] = []
    private var outboundOffset = 0

    private var streams: [UInt32: Stream] = [:]
    private var nextStream: UInt32 = 1
    private var sendWindow = 65_535
    private var initialSendWindow = 65_535
    private var unacknowledged = 0

    private(set) var bytesReceived: UInt64 = 0
    private(set) var bytesSent: UInt64 = 0
    /// When the bytes came that are being looked at.
    private(set) var readTime: UInt64 = 0

    private struct Stream {
        var sendWindow: Int
        /// Messages that the server has no room for yet.
        var pending: [UInt8] = []
        /// The beginning of a message whose end has not come.
        var partial: [UInt8] = []
        var unacknowledged = 0
    }

    /// Starts to connect; whatever becomes of it is told later.
    init(
        to address: IPv4Endpoint,
        from source: IPv4Endpoint?,
        poller: Poller,
        buffer: ReadBuffer,
        owner: any WireConnectionOwner
    ) {
        self.poller = poller
        self.buffer = buffer
        self.owner = owner
        descriptor = socket(
            AF_INET,
            CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
                | CInt(SOCK_CLOEXEC.rawValue),
            0
        )
        precondition(descriptor >= 0, "no socket: errno \(errno); is RLIMIT_NOFILE too low?")
        setOption(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        if let source {
            // The port is chosen when the other end is known, so that each source address has all.
            setOption(CInt(IPPROTO_IP), Self.bindAddressNoPort, 1)
            _ = source.withSocketAddress { bind(descriptor, $0, $1) }
        }
        let result = address.withSocketAddress { connect(descriptor, $0, $1) }
        let failure = errno
        registration = poller.watch(descriptor, for: .writing, self)
        if result != 0, failure != EINPROGRESS {
            poller.schedule(after: 0) { self.close("connect failed with errno \(failure)") }
        }
    }

    private func setOption(_ level: CInt, _ name: CInt, _ value: CInt) {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    // MARK: - Streams

    /// Opens a stream for a gRPC call.
    func open(_ path: String) -> UInt32 {
        let id = nextStream
        nextStream += 2
        streams[id] = Stream(sendWindow: initialSendWindow)
        var block: [UInt8] = [0x83, 0x86]  // :method POST, :scheme http
        block.appendHeader(staticName: 4, path)
        block.appendHeader(staticName: 1, "control-plane")
        block.appendHeader("te", "trailers")
        block.appendHeader(staticName: 31, "application/grpc")
        block.appendHeader(staticName: 58, "bench-xds")
        outbound.appendFrame(
            .headers,
            flags: Self.endHeaders,
            stream: id,
            length: block.count
        )
        outbound += block
        flushSoon()
        return id
    }

    /// Sends one gRPC message, as soon as the server has room for it.
    func send(_ message: [UInt8], on id: UInt32, isLast: Bool = false) {
        guard var stream = streams.removeValue(forKey: id) else { return }
        stream.pending.appendMessage(message)
        drain(&stream, id, isLast: isLast)
        streams[id] = stream
        flushSoon()
    }

    /// Gives a stream up.
    func reset(_ id: UInt32) {
        guard streams.removeValue(forKey: id) != nil else { return }
        outbound.appendFrame(.reset, stream: id, length: 4)
        outbound.appendBigEndian(8)  // CANCEL
        flushSoon()
    }

    private func drain(_ stream: inout Stream, _ id: UInt32, isLast: Bool = false) {
        var sent = 0
        while sent < stream.pending.count {
            let room = min(stream.pending.count - sent, sendWindow, stream.sendWindow, 16_384)
            guard room > 0 else { break }
            let ends = isLast && sent + room == stream.pending.count
            outbound.appendFrame(.data, flags: ends ? Self.endStream : 0, stream: id, length: room)
            outbound += stream.pending[sent..<sent + room]
            sent += room
            sendWindow -= room
            stream.sendWindow -= room
        }
        if sent == stream.pending.count {
            stream.pending = []
        } else {
            stream.pending.removeFirst(sent)
        }
    }

    private func drainAll() {
        for (id, stream) in streams where !stream.pending.isEmpty {
            var stream = stream
            drain(&stream, id)
            streams[id] = stream
        }
        flushSoon()
    }

    // MARK: - The socket

    /// Lets everything lie in the socket that comes, as a client does that has stopped.
    func setReading(_ isReading: Bool) {
        self.isReading = isReading
        updateInterest()
    }

    private func updateInterest() {
        guard let registration, !isConnecting else { return }
        var interest: Poller.Interest = []
        if isReading { interest.insert(.reading) }
        if waitsForRoom { interest.insert(.writing) }
        poller.change(registration, to: interest)
    }

    func close(_ reason: String) {
        guard let registration else { return }
        self.registration = nil
        poller.close(registration)
        owner?.closed(self, reason)
    }

    private func flushSoon() {
        guard !willFlush, !isConnecting else { return }
        willFlush = true
        poller.flushLater(self)
    }

    func flush() {
        willFlush = false
        guard registration != nil, !waitsForRoom else { return }
        while outboundOffset < outbound.count {
            let count = outbound.withUnsafeBytes {
                Glibc.send(
                    descriptor,
                    $0.baseAddress.map { $0 + outboundOffset },
                    $0.count - outboundOffset,
                    CInt(MSG_NOSIGNAL)
                )
            }
            if count < 0 {
                guard errno == EAGAIN else { return close("send failed with errno \(errno)") }
                waitsForRoom = true
                return updateInterest()
            }
            bytesSent += UInt64(count)
            outboundOffset += count
        }
        outboundOffset = 0
        // Ten thousand connections keep nothing that the first request once needed.
        if outbound.capacity > 4_096 {
            outbound = []
        } else {
            outbound.removeAll(keepingCapacity: true)
        }
    }

    func becameWritable() {
        if isConnecting {
            var failure: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
            guard failure == 0 else { return close("connect failed with errno \(failure)") }
            isConnecting = false
            updateInterest()
            start()
            owner?.connected(self)
        } else {
            waitsForRoom = false
            updateInterest()
            flush()
        }
    }

    func becameReadable() {
        guard !isConnecting else { return becameWritable() }
        while registration != nil, isReading {
            let count = recv(descriptor, buffer.bytes.baseAddress, buffer.bytes.count, 0)
            if count == 0 { return close("the server closed the connection") }
            if count < 0 {
                if errno != EAGAIN { close("recv failed with errno \(errno)") }
                return
            }
            readTime = Clock.now()
            bytesReceived += UInt64(count)
            take(UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(count)))
            // Less than there was room for is all that there was.
            if count < buffer.bytes.count { return }
        }
    }

    // MARK: - Frames

    private func start() {
        outbound += Self.preface
        outbound.appendFrame(.settings, stream: 0, length: 18)
        // No dynamic table: each list of headers can be read by itself. No push. A large window.
        for (name, value) in [(1, 0), (2, 0), (4, UInt32(Self.receiveWindow))] as [(UInt8, UInt32)]
        {
            outbound += [0, name]
            outbound.appendBigEndian(value)
        }
        outbound.appendFrame(.windowUpdate, stream: 0, length: 4)
        outbound.appendBigEndian(UInt32(Self.receiveWindow - 65_535))
        flushSoon()
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        if leftover.isEmpty {
            let used = takeFrames(bytes)
            if used < bytes.count { leftover = Array(bytes.dropFirst(used)) }
        } else {
            leftover.append(contentsOf: bytes)
            let whole = leftover
            leftover = []
            let used = whole.withUnsafeBytes { takeFrames($0) }
            if used < whole.count { leftover = Array(whole.dropFirst(used)) }
        }
    }

    /// Returns how many bytes were whole frames.
    private func takeFrames(_ bytes: UnsafeRawBufferPointer) -> Int {
        var offset = 0
        while bytes.count - offset >= 9, registration != nil {
            let header = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 9])
            let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            guard bytes.count - offset - 9 >= length else { break }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[offset + 9..<offset + 9 + length])
            let stream = header.bigEndian(at: 5) & 0x7fff_ffff
            takeFrame(FrameType(rawValue: header[3]), flags: header[4], stream, payload)
            offset += 9 + length
        }
        return offset
    }

    private func takeFrame(
        _ type: FrameType?,
        flags: UInt8,
        _ id: UInt32,
        _ payload: UnsafeRawBufferPointer
    ) {
        switch type {
        case .data:
            guard let content = Self.content(of: payload, flags: flags) else {
                return close("a DATA frame with more padding than content")
            }
            takeData(content, frameBytes: payload.count, id)
            if flags & Self.endStream != 0 { ended(id, "END_STREAM without trailers") }
        case .headers where flags & Self.endStream != 0:
            ended(id, Self.content(of: payload, flags: flags).map(Trailers.text) ?? "bad trailers")
        case .reset: ended(id, "RST_STREAM with error \(payload.bigEndian(at: 0))")
        case .settings: if flags & Self.acknowledges == 0 { takeSettings(payload) }
        case .ping:
            guard flags & Self.acknowledges == 0 else { return }
            outbound.appendFrame(
                .ping,
                flags: Self.acknowledges,
                stream: 0,
                length: payload.count
            )
            outbound.append(contentsOf: payload)
            flushSoon()
        case .windowUpdate:
            let increment = Int(payload.bigEndian(at: 0) & 0x7fff_ffff)
            if id == 0 { sendWindow += increment } else { streams[id]?.sendWindow += increment }
            drainAll()
        // GOAWAY leaves the open streams alone, and each of ours is opened first thing.
        case .headers, .goAway, .priority, .pushPromise, .continuation, nil: break
        }
    }

    private static func content(
        of payload: UnsafeRawBufferPointer,
        flags: UInt8
    ) -> UnsafeRawBufferPointer? {
        var content = payload
        if flags & isPadded != 0 {
            guard let padding = payload.first, Int(padding) < payload.count else { return nil }
            content = UnsafeRawBufferPointer(
                rebasing: content.dropFirst(1).dropLast(Int(padding))
            )
        }
        return content
    }

    private func ended(_ id: UInt32, _ reason: String) {
        guard streams.removeValue(forKey: id) != nil else { return }
        owner?.streamEnded(id, reason, on: self)
    }

    private func takeSettings(_ payload: UnsafeRawBufferPointer) {
        for offset in stride(from: 0, to: payload.count - 5, by: 6) {
            let name = UInt16(payload[offset]) << 8 | UInt16(payload[offset + 1])
            guard name == 4 else { continue }
            let window = Int(payload.bigEndian(at: offset + 2))
            for id in streams.keys { streams[id]?.sendWindow += window - initialSendWindow }
            initialSendWindow = window
        }
        outbound.appendFrame(.settings, flags: Self.acknowledges, stream: 0, length: 0)
        drainAll()
    }

    // MARK: - Messages

    private func takeData(_ content: UnsafeRawBufferPointer, frameBytes: Int, _ id: UInt32) {
        unacknowledged += frameBytes
        if unacknowledged > Self.receiveWindow / 2 {
            giveRoom(unacknowledged, stream: 0)
            unacknowledged = 0
        }
        guard var partial = streams[id]?.partial else { return }
        streams[id]?.unacknowledged += frameBytes
        if let count = streams[id]?.unacknowledged, count > Self.receiveWindow / 2 {
            streams[id]?.unacknowledged = 0
            giveRoom(count, stream: id)
        }
        if partial.isEmpty {
            let used = takeMessages(content, id)
            guard used < content.count else { return }
            streams[id]?.partial = Array(content.dropFirst(used))
        } else {
            // Taken out for the time being, so that it is appended to in place.
            streams[id]?.partial = []
            partial.append(contentsOf: content)
            guard partial.holdsWholeMessage else {
                streams[id]?.partial = partial
                return
            }
            let used = partial.withUnsafeBytes { takeMessages($0, id) }
            streams[id]?.partial = used < partial.count ? Array(partial.dropFirst(used)) : []
        }
    }

    private func giveRoom(_ count: Int, stream: UInt32) {
        outbound.appendFrame(.windowUpdate, stream: stream, length: 4)
        outbound.appendBigEndian(UInt32(count))
        flushSoon()
    }

    /// Returns how many bytes were whole messages.
    private func takeMessages(_ bytes: UnsafeRawBufferPointer, _ id: UInt32) -> Int {
        var offset = 0
        while bytes.count - offset >= 5 {
            let length = Int(bytes.bigEndian(at: offset + 1))
            guard bytes.count - offset - 5 >= length else { break }
            let message = UnsafeRawBufferPointer(
                rebasing: bytes[offset + 5..<offset + 5 + length]
            )
            owner?.received(message, stream: id, on: self)
            offset += 5 + length
        }
        return offset
    }
}

extension [UInt8] {
    fileprivate var holdsWholeMessage: Bool {
        count >= 5 && withUnsafeBytes { $0.count - 5 >= Int($0.bigEndian(at: 1)) }
    }
}

extension UnsafeRawBufferPointer {
    /// Zero where there are no four bytes.
    func bigEndian(at offset: Int) -> UInt32 {
        guard count - offset >= 4 else { return 0 }
        return UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
