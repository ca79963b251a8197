import HTTP2
import NIOCore

/// The messages that one side of a call has received and its reader has not taken yet.
///
/// Confined to the event loop. It holds back the peer's window while complete messages wait: at
/// most one window and one message are ever held, however slowly they are read.
struct MessageInbox {
    private enum State {
        case open
        /// The peer has sent all; what is queued can still be read, then comes nil or the error.
        case ended(GRPCError?)
        case failed(any Error)
    }

    private var deframer: MessageDeframer
    private var queue = ShortQueue<ReceivedMessage>()
    private var state = State.open
    private var waiter: UnsafeContinuation<ByteBuffer?, any Error>?
    private var unconsumedBytes = 0
    /// Messages that came in full so far, taken or not.
    private(set) var arrivedMessages = 0
    /// The sizes of those that came since they were taken; nil when nobody wants to know.
    private var sizes: [Int]?
    /// Whether the message that the reader got last had come compressed.
    private(set) var wasLastCompressed = false

    init(maximumMessageBytes: Int) {
        self.deframer = MessageDeframer(maximumMessageBytes: maximumMessageBytes)
    }

    /// What the peer's messages may be compressed with; known before the first byte of them.
    var encoding: MessageEncoding? {
        get { deframer.encoding }
        set { deframer.encoding = newValue }
    }

    /// Takes bytes in; the result is how many of them the peer may replace at once.
    mutating func received(_ data: UnsafeRawBufferPointer) throws(GRPCError) -> Int {
        guard case .open = state else { return data.count }
        let queued = queue.count
        try deframer.received(data, into: &queue)
        arrivedMessages += queue.count - queued
        if sizes != nil { queue.forEach(from: queued) { sizes?.append($0.bytes.readableBytes) } }
        if waiter != nil, let message = queue.popFirst() {
            let opened = try open(message)
            takeWaiter()?.resume(returning: opened)
        }
        unconsumedBytes += data.count
        return takeConsumable()
    }

    /// From now on `takeSizes` has something to tell.
    mutating func noteSizes() { sizes = [] }

    mutating func takeSizes() -> [Int] {
        guard let sizes, !sizes.isEmpty else { return [] }
        self.sizes = []
        return sizes
    }

    /// The peer will send no more; a client's call may have ended with an error.
    mutating func ended(with error: GRPCError? = nil) throws(GRPCError) {
        guard case .open = state else { return }
        guard deframer.isAtBoundary || error != nil else {
            throw GRPCError(.internal, "the stream ended inside a message")
        }
        state = .ended(error)
        if let error {
            takeWaiter()?.resume(throwing: error)
        } else {
            takeWaiter()?.resume(returning: nil)
        }
    }

    /// Nothing more will be read: queued messages are dropped and the reader gets `error`.
    mutating func fail(_ error: any Error) {
        if case .failed = state { return }
        state = .failed(error)
        queue.removeAll()
        takeWaiter()?.resume(throwing: error)
    }

    /// True when all messages have been read and no more can come.
    var isAtEnd: Bool {
        if case .ended(nil) = state { queue.isEmpty } else { false }
    }

    enum OnNext {
        /// A message, and how many bytes the peer may replace now.
        case message(ByteBuffer, consume: Int)
        case end
        case fail(any Error)
        /// Nothing there yet: call `wait`.
        case wait
    }

    mutating func next() -> OnNext {
        if let message = queue.popFirst() {
            do {
                return .message(try open(message), consume: takeConsumable())
            } catch {
                fail(error)
            }
        }
        switch state {
        case .open: return .wait
        case .ended(let error?): return .fail(error)
        case .ended(nil): return .end
        case .failed(let error): return .fail(error)
        }
    }

    /// - Precondition: `next` said `.wait` just before, and no other reader waits.
    mutating func wait(_ continuation: UnsafeContinuation<ByteBuffer?, any Error>) {
        precondition(waiter == nil, "a call's messages have one reader")
        waiter = continuation
    }

    /// What the reader gets of a message.
    ///
    /// Decompressed only now: while they wait, a thousand small messages may stand for gigabytes.
    @inline(__always)
    private mutating func open(_ message: ReceivedMessage) throws(GRPCError) -> ByteBuffer {
        wasLastCompressed = message.isCompressed
        guard message.isCompressed, let encoding else { return message.bytes }
        return try ZlibStreams.ofThisThread.decompress(
            message.bytes,
            encoding,
            maximumBytes: deframer.maximumMessageBytes
        )
    }

    private mutating func takeWaiter() -> UnsafeContinuation<ByteBuffer?, any Error>? {
        defer { waiter = nil }
        return waiter
    }

    /// A part of a message must be given back at once, or one longer than the window could never
    /// complete.
    private mutating func takeConsumable() -> Int {
        guard queue.isEmpty else { return 0 }
        defer { unconsumedBytes = 0 }
        return unconsumedBytes
    }
}
