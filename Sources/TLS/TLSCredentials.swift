import Glibc
import Synchronization

/// What one side of TLS presents and whom it trusts, replaceable while it is in use.
///
/// New handshakes use what was put last; connections that are open go on. Servers and clients may
/// share one.
package final class TLSCredentials: Sendable {
    private struct State {
        var loaded: LoadedCredentials
        var generation: UInt64
    }

    private let state: Mutex<State>
    /// Where they are read from again.
    package let files: TLSCredentialFiles?
    /// The files as they were when the first credentials were read from them.
    let firstFingerprint: TLSCredentialFiles.Fingerprint?
    private let now: @Sendable () -> Int64
    private let replacements = Atomic<UInt64>(0)
    private let refusals = Atomic<UInt64>(0)

    /// Takes credentials in memory.
    ///
    /// - Parameter now: seconds since 1970, by which the own certificate is found valid.
    package init(
        _ material: TLSMaterial,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(TLSError) {
        self.state = Mutex(
            State(loaded: try LoadedCredentials(material, now: now()), generation: 1)
        )
        self.files = nil
        self.firstFingerprint = nil
        self.now = now
    }

    /// Reads credentials from files.
    ///
    /// They are read again by `reload` only; `TLSCredentialsWatcher` calls it when they change.
    package init(
        files: TLSCredentialFiles,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(TLSError) {
        // Taken first: a change while they are read is seen by the watcher.
        self.firstFingerprint = files.fingerprint
        let loaded = try LoadedCredentials(try files.read(), now: now())
        self.state = Mutex(State(loaded: loaded, generation: 1))
        self.files = files
        self.now = now
    }

    /// Puts other credentials in their place, or throws and leaves them.
    package func replace(with material: TLSMaterial) throws(TLSError) {
        let loaded: LoadedCredentials
        do {
            loaded = try LoadedCredentials(material, now: now())
        } catch {
            refusals.wrappingAdd(1, ordering: .relaxed)
            throw error
        }
        state.withLock { $0 = State(loaded: loaded, generation: $0.generation + 1) }
        replacements.wrappingAdd(1, ordering: .relaxed)
    }

    /// Reads the files again, or throws and leaves what there is.
    package func reload() throws(TLSError) {
        guard let files else { return }
        let material: TLSMaterial
        do {
            material = try files.read()
        } catch {
            refusals.wrappingAdd(1, ordering: .relaxed)
            throw error
        }
        try replace(with: material)
    }

    /// Values by metric name.
    package var counters: [String: UInt64] {
        [
            "tls_credentials_replaced": replacements.load(ordering: .relaxed),
            "tls_credentials_refused": refusals.load(ordering: .relaxed),
            "tls_certificate_not_after_seconds": UInt64(
                clamping: state.withLock { $0.loaded.notAfterSeconds } ?? 0
            ),
        ]
    }

    /// Good in themselves, but not for the server or client that was to use them.
    func contextRefused() {
        refusals.wrappingAdd(1, ordering: .relaxed)
    }

    var current: (loaded: LoadedCredentials, generation: UInt64) {
        state.withLock { ($0.loaded, $0.generation) }
    }
}

extension TLSCredentials: CustomReflectable {
    package var customMirror: Mirror { Mirror(self, children: []) }
}
