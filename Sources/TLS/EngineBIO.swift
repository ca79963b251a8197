import COpenSSL

/// The kind of BIO that reads from an engine's input and writes to its output, without copies of
/// its own.
// SAFETY (@unchecked Sendable): it is filled in before it is stored and only read afterwards.
private struct EngineBIO: @unchecked Sendable {
    let method: OpaquePointer?

    static let shared = EngineBIO()

    private init() {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        method = BIO_meth_new(type, "meridian engine")
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let data = BIO_get_data(bio), let bytes, count > 0 else { return -1 }
            COpenSSL_clear_retry(bio)
            let target = UnsafeMutableRawBufferPointer(start: bytes, count: Int(count))
            let copied = Unmanaged<TLSEngine>.fromOpaque(data)._withUnsafeGuaranteedRef {
                $0.takeInput(into: target)
            }
            if copied > 0 { return Int32(copied) }
            COpenSSL_set_retry_read(bio)
            return -1
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let data = BIO_get_data(bio), let bytes, count > 0 else { return -1 }
            COpenSSL_clear_retry(bio)
            let source = UnsafeRawBufferPointer(start: bytes, count: Int(count))
            Unmanaged<TLSEngine>.fromOpaque(data)._withUnsafeGuaranteedRef {
                $0.appendOutput(source)
            }
            return count
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in
            // A flush succeeds, as nothing is held back; nothing else is asked of a socket.
            command == BIO_CTRL_FLUSH ? 1 : 0
        }
    }
}

/// A BIO of `engine`, which must outlive it.
func makeBIO(for engine: TLSEngine) -> OpaquePointer? {
    guard let bio = BIO_new(EngineBIO.shared.method) else { return nil }
    BIO_set_data(bio, Unmanaged.passUnretained(engine).toOpaque())
    BIO_set_init(bio, 1)
    return bio
}
