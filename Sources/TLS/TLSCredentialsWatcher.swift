package import Logging
import ServiceLifecycle

/// Looks at the files of some credentials from time to time and reads them again when they changed.
///
/// A pair of certificate and key that don't fit, as there is for a moment while both are written, or
/// a file that is cut off leaves the credentials as they are, is logged once, and is tried again at
/// the next look.
package final class TLSCredentialsWatcher<C: Clock>: Service where C.Duration == Duration {
    private let credentials: TLSCredentials
    private let interval: Duration
    private let clock: C
    private let logger: Logger

    package init(
        _ credentials: TLSCredentials,
        interval: Duration = .seconds(10),
        clock: C = ContinuousClock(),
        logger: Logger
    ) {
        self.credentials = credentials
        self.interval = interval
        self.clock = clock
        self.logger = logger
    }

    package func run() async throws {
        guard let files = credentials.files else { return }
        await cancelWhenGracefulShutdown {
            var look = CredentialsLook(lastLoaded: self.credentials.firstFingerprint)
            while !Task.isCancelled {
                self.look(&look, files)
                try? await self.clock.sleep(for: self.interval)
            }
        }
    }

    private func look(_ look: inout CredentialsLook, _ files: TLSCredentialFiles) {
        // Taken before the files are read: a change in between is seen at the next look.
        let fingerprint = files.fingerprint
        guard look.shouldLoad(fingerprint) else { return }
        do {
            try credentials.reload()
            look.loaded(fingerprint)
            logger.info("TLS credentials were replaced", metadata: ["files": "\(files.names)"])
        } catch {
            guard look.failed(error) else { return }
            logger.error(
                "TLS credentials can't be used; those from before stay",
                metadata: ["error": "\(error)"]
            )
        }
    }
}

/// Which of the looks at the files lead to something.
struct CredentialsLook {
    private var lastLoaded: TLSCredentialFiles.Fingerprint?
    private var lastError: TLSError?

    init(lastLoaded: TLSCredentialFiles.Fingerprint?) {
        self.lastLoaded = lastLoaded
    }

    func shouldLoad(_ fingerprint: TLSCredentialFiles.Fingerprint) -> Bool {
        fingerprint != lastLoaded
    }

    mutating func loaded(_ fingerprint: TLSCredentialFiles.Fingerprint) {
        lastLoaded = fingerprint
        lastError = nil
    }

    /// True when it is not the failure of the look before.
    mutating func failed(_ error: TLSError) -> Bool {
        defer { lastError = error }
        return error != lastError
    }
}

extension TLSCredentialFiles {
    fileprivate var names: String {
        [certificateChain, privateKey, trustRoots].compactMap { $0 }.joined(separator: ", ")
    }
}
