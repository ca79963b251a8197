import Glibc
package import Logging
package import NIOCore
import Synchronization

/// Makes the TLS handlers of one server's connections.
package final class TLSAcceptor: Sendable {
    package let counters = TLSCounters()
    private let configuration: TLSServerConfiguration
    private let logger: Logger?
    private let now: @Sendable () -> Int64
    private let current: CurrentContext

    /// Throws when the credentials don't do for the configuration.
    ///
    /// - Parameter logger: gets a line for each connection that fails.
    /// - Parameter now: seconds since 1970, by which certificates of resumed sessions expire.
    package init(
        _ configuration: TLSServerConfiguration,
        logger: Logger? = nil,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(TLSError) {
        self.configuration = configuration
        self.logger = logger
        self.now = now
        self.current = try CurrentContext(configuration.credentials) {
            loaded throws(TLSError) in try TLSContext(configuration, loaded)
        }
    }

    /// A handler with the credentials of this moment.
    package func makeHandler(on eventLoop: any EventLoop) -> TLSHandler {
        let scratch = TLSScratch.shared(on: eventLoop)
        return TLSHandler(
            TLSEngine(current.context(logger), role: .server, scratch: scratch),
            scratch: scratch,
            limits: configuration.limits,
            permitsMissingALPN: configuration.permitsMissingALPN,
            counters: counters,
            logger: logger,
            now: now
        )
    }
}

/// Makes the TLS handlers of one client's connections.
package final class TLSConnector: Sendable {
    package let counters = TLSCounters()
    private let configuration: TLSClientConfiguration
    private let now: @Sendable () -> Int64
    private let current: CurrentContext

    /// Throws when the credentials don't do for the configuration.
    ///
    /// - Parameter now: seconds since 1970, by which certificates of resumed sessions expire.
    package init(
        _ configuration: TLSClientConfiguration,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(TLSError) {
        self.configuration = configuration
        self.now = now
        self.current = try CurrentContext(configuration.credentials) {
            loaded throws(TLSError) in try TLSContext(configuration, loaded)
        }
    }

    /// Sessions that could be resumed now.
    package var rememberedSessions: Int { newestContext.sessions.count }

    var newestContext: TLSContext { current.context(nil) }

    /// A handler with the credentials of this moment.
    ///
    /// - Parameter host: what is connected to, a name or an address.
    /// - Parameter authority: the server whose sessions may be resumed.
    package func makeHandler(
        host: String,
        authority: String,
        on eventLoop: any EventLoop
    ) -> TLSHandler {
        let scratch = TLSScratch.shared(on: eventLoop)
        let expected = ExpectedServer(configuration.verification, host: host)
        let role = TLSEngine.Role.client(expected, sessionName: authority)
        return TLSHandler(
            TLSEngine(current.context(nil), role: role, scratch: scratch),
            scratch: scratch,
            limits: configuration.limits,
            permitsMissingALPN: false,
            counters: counters,
            logger: nil,
            now: now
        )
    }
}

/// The context of the newest credentials, made when it is first asked for.
private final class CurrentContext: Sendable {
    private let credentials: TLSCredentials
    private let make: @Sendable (LoadedCredentials) throws(TLSError) -> TLSContext
    private let made: Mutex<(context: TLSContext, generation: UInt64)>

    init(
        _ credentials: TLSCredentials,
        make: @escaping @Sendable (LoadedCredentials) throws(TLSError) -> TLSContext
    ) throws(TLSError) {
        let (loaded, generation) = credentials.current
        self.credentials = credentials
        self.make = make
        self.made = Mutex((try make(loaded), generation))
    }

    func context(_ logger: Logger?) -> TLSContext {
        let (loaded, generation) = credentials.current
        return made.withLock { made in
            guard generation > made.generation else { return made.context }
            // Noted in any case: what can't be used is tried once, not for every connection.
            made.generation = generation
            do {
                made.context = try make(loaded)
            } catch {
                credentials.contextRefused()
                logger?.error(
                    "new TLS credentials can't be used here; those from before stay",
                    metadata: ["error": "\(error)"]
                )
            }
            return made.context
        }
    }
}
