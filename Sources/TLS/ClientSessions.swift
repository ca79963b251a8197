import COpenSSL
import Synchronization

/// The sessions that a client can resume, by server, each once where TLS 1.3 wants it so.
///
/// The oldest goes when there is no room: a server that is called again soon has a newer one.
final class ClientSessions: Sendable {
    // SAFETY (@unchecked Sendable): an `SSL_SESSION` is counted atomically and not changed once the
    // new-session callback has handed it out.
    private struct Entry: @unchecked Sendable {
        let name: String
        let session: OpaquePointer
    }

    private let capacity: Int
    // A handful: a client has one connection to each server.
    private let entries = Mutex<[Entry]>([])

    init(capacity: Int) {
        self.capacity = capacity
    }

    deinit {
        entries.withLock { entries in
            for entry in entries { SSL_SESSION_free(entry.session) }
        }
    }

    var count: Int { entries.withLock { $0.count } }

    /// Takes over the caller's reference; false when it does not.
    func put(_ session: OpaquePointer, for name: String) -> Bool {
        guard capacity > 0 else { return false }
        let entry = Entry(name: name, session: session)
        let dropped = entries.withLock { entries in
            entries.append(entry)
            // Two tickets from each server, as most send two.
            let same = entries.indices.filter { entries[$0].name == name }
            if same.count > 2 { return entries.remove(at: same[0]) as Entry? }
            return entries.count > capacity ? entries.removeFirst() : nil
        }
        if let dropped { SSL_SESSION_free(dropped.session) }
        return true
    }

    /// Lends the newest session to `body`.
    ///
    /// A ticket of TLS 1.3 is used once (RFC 8446, appendix C.4); a session of TLS 1.2 stays.
    func use(for name: String, _ body: (OpaquePointer) -> Void) {
        let entry = entries.withLock { entries -> Entry? in
            guard let index = entries.lastIndex(where: { $0.name == name }) else { return nil }
            let entry = entries[index]
            if SSL_SESSION_get_protocol_version(entry.session) >= TLS1_3_VERSION {
                entries.remove(at: index)
            } else {
                SSL_SESSION_up_ref(entry.session)
            }
            return entry
        }
        guard let entry else { return }
        body(entry.session)
        SSL_SESSION_free(entry.session)
    }
}
