import COpenSSL

/// The thread's queue of OpenSSL errors.
///
/// It must be empty before each operation, or `SSL_get_error` takes an old error for a new one.
enum OpenSSLErrors {
    /// The first error, which names the cause, and its text; the queue is empty afterwards.
    static func take() -> (library: Int32, reason: Int32, text: String)? {
        let code = ERR_peek_error()
        guard code != 0 else { return nil }
        ERR_clear_error()
        let text = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
        return (ERR_GET_LIB(code), ERR_GET_REASON(code), text)
    }

    /// The text of the first error, for a message.
    static func takeText() -> String {
        take()?.text ?? "no reason given"
    }

    static func clear() {
        ERR_clear_error()
    }
}
