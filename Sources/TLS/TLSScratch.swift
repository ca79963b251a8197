import NIOCore
import Synchronization

/// Buffers that every TLS connection of an event loop works in, so that an idle one holds none.
///
/// A connection takes a buffer out, works in it and puts it back; whoever comes meanwhile gets an
/// empty one and pays for an allocation.
// SAFETY (@unchecked Sendable): the `var`s are touched on the event loop that it was made for only.
final class TLSScratch: @unchecked Sendable {
    private var plain = ByteBuffer()
    private var records = ByteBuffer()
    private var gather = ByteBuffer()

    /// A buffer that has grown larger than this is not kept.
    private static let maximumKeptBytes = 512 * 1024

    /// What was decrypted.
    func takePlain() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &plain)
        return buffer
    }

    func putPlain(_ buffer: ByteBuffer) {
        if buffer.capacity <= Self.maximumKeptBytes { plain = buffer }
    }

    /// Records on their way out.
    func takeRecords() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &records)
        return buffer
    }

    func putRecords(_ buffer: ByteBuffer) {
        if buffer.capacity <= Self.maximumKeptBytes { records = buffer }
    }

    /// What is gathered to fill a record.
    func takeGather() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &gather)
        return buffer
    }

    func putGather(_ buffer: ByteBuffer) {
        if buffer.capacity <= Self.maximumKeptBytes { gather = buffer }
    }

    // MARK: - One for each event loop

    private struct Weak: Sendable {
        weak var scratch: TLSScratch?
    }

    private static let byLoop = Mutex<[ObjectIdentifier: Weak]>([:])

    /// The event loop's own, for as long as a connection holds it.
    static func shared(on eventLoop: any EventLoop) -> TLSScratch {
        byLoop.withLock { byLoop in
            let id = ObjectIdentifier(eventLoop)
            if let scratch = byLoop[id]?.scratch { return scratch }
            // Loops come and go in tests; in a program there are a few.
            byLoop = byLoop.filter { $0.value.scratch != nil }
            let scratch = TLSScratch()
            byLoop[id] = Weak(scratch: scratch)
            return scratch
        }
    }
}
