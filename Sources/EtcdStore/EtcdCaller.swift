import GRPC
import HTTP2
import Logging
import NIOCore
import Primitives
import Store
import SwiftProtobuf
import Synchronization

/// A method of etcd's API, with what another attempt would mean.
struct EtcdMethod<Request: Message, Response: Message>: Sendable {
    enum Effect: Sendable {
        /// Doing it twice is as good as once.
        case repeatable
        /// Once it may have reached a member, it is not sent again.
        case change
    }

    let path: String
    let effect: Effect
}

/// Makes calls to whichever member of the cluster works.
final class EtcdCaller: Sendable {
    private struct State {
        var members: EtcdMembers
        var isClosed = false
        var callsInFlight = 0
        var watches = 0
    }

    let configuration: EtcdConfiguration
    private let clients: [GRPCClient]
    private let state: Mutex<State>
    private let logger: Logger
    private let clock = ContinuousClock()

    /// - Precondition: there is at least one endpoint.
    init(_ configuration: EtcdConfiguration, eventLoop: any EventLoop, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        let executor = EventLoopExecutor(eventLoop: eventLoop)
        clients = configuration.endpoints.map { endpoint in
            GRPCClient(
                addresses: [.ip(endpoint)],
                configuration: configuration.connection,
                executor: executor
            )
        }
        // Replicas that start together spread over the members.
        let first = Int.random(in: 0..<clients.count)
        state = Mutex(State(members: EtcdMembers(count: clients.count, first: first)))
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    func close() async {
        state.withLock { $0.isClosed = true }
        for client in clients { await client.close() }
    }

    // MARK: Members

    /// Who is asked now.
    ///
    /// Throws when the store is closed.
    func currentMember() throws(StoreError) -> Int {
        let (member, isClosed) = state.withLock { ($0.members.current, $0.isClosed) }
        guard !isClosed else { throw .closed }
        return member
    }

    func client(_ member: Int) -> GRPCClient { clients[member] }

    /// Moves on to the next member.
    func failed(_ member: Int, _ reason: String) {
        let (hasMoved, current) = state.withLock { state in
            (state.members.failed(member), state.members.current)
        }
        guard hasMoved, !isClosed else { return }
        logger.warning(
            "an etcd member failed",
            metadata: [
                "member": "\(configuration.endpoints[member])", "reason": "\(reason)",
                "next": "\(configuration.endpoints[current])",
            ]
        )
    }

    var newBackoff: Backoff {
        Backoff(base: configuration.backoffBase, maximum: configuration.backoffMaximum)
    }

    // MARK: Watches

    /// Takes one of the places for watches, to be given back with `endWatch`.
    func beginWatch() throws(StoreError) {
        let isAllowed = state.withLock { state in
            guard state.watches < configuration.maximumWatches else { return false }
            state.watches += 1
            return true
        }
        guard isAllowed else {
            throw .limitExceeded("there are \(configuration.maximumWatches) watches already")
        }
    }

    func endWatch() {
        state.withLock { $0.watches -= 1 }
    }

    // MARK: Calls

    /// Asks one member after the other until one answers or the time is over.
    func call<Request, Response>(
        _ method: EtcdMethod<Request, Response>,
        _ request: Request
    ) async throws(StoreError) -> Response {
        switch try await attempts(method, request) {
        case .answer(let response): return response
        case .tooLarge(let reason): throw .limitExceeded("etcd's answer: \(reason)")
        }
    }

    enum Answer<Response: Sendable>: Sendable {
        case answer(Response)
        /// The response is larger than we take.
        case tooLarge(String)
    }

    /// The same for a caller who can ask for less.
    func attempts<Request, Response>(
        _ method: EtcdMethod<Request, Response>,
        _ request: Request
    ) async throws(StoreError) -> Answer<Response> {
        let frame: GRPCFrame
        do {
            frame = try GRPCFrame(request)
        } catch {
            throw StoreError(.failed, "the request can't be encoded", cause: error)
        }
        try begin()
        defer { state.withLock { $0.callsInFlight -= 1 } }
        let bytes: Answer<MessageBytes>
        switch method.effect {
        case .repeatable: bytes = try await attempts(method.path, frame, isRepeatable: true).get()
        case .change:
            // A change that has begun goes on when its task is cancelled, as in the embedded store:
            // this task is owned by the call here, which waits for it, and ends by its deadline.
            bytes = try await Task { await self.attempts(method.path, frame, isRepeatable: false) }
                .value.get()
        }
        switch bytes {
        case .tooLarge(let reason): return .tooLarge(reason)
        case .answer(let bytes):
            do {
                return .answer(try Response(grpcMessage: bytes))
            } catch {
                throw StoreError(.failed, "etcd's answer can't be read", cause: error)
            }
        }
    }

    private func begin() throws(StoreError) {
        let isAllowed = state.withLock { state in
            guard state.callsInFlight < configuration.maximumCallsInFlight else { return false }
            state.callsInFlight += 1
            return true
        }
        guard isAllowed else {
            throw .limitExceeded("\(configuration.maximumCallsInFlight) requests wait for etcd")
        }
    }

    private func attempts(
        _ path: String,
        _ frame: GRPCFrame,
        isRepeatable: Bool
    ) async -> Result<Answer<MessageBytes>, StoreError> {
        let deadline = clock.now + configuration.requestTimeout
        var backoff = newBackoff
        var failures = 0
        while true {
            let member: Int
            do {
                member = try currentMember()
            } catch {
                return .failure(error)
            }
            var timeout = clock.now.duration(to: deadline)
            if isRepeatable { timeout = min(timeout, configuration.attemptTimeout) }
            let reason: String
            switch await attempt(clients[member], path, frame, timeout: timeout) {
            case .success(let bytes): return .success(.answer(bytes))
            case .failure(.final(let error)): return .failure(error)
            case .failure(.tooLarge(let text)): return .success(.tooLarge(text))
            case .failure(.unknown(let text)) where !isRepeatable:
                failed(member, text)
                return .failure(unavailable(text, isOutcomeUnknown: true))
            case .failure(.unknown(let text)), .failure(.notDone(let text)): reason = text
            }
            failed(member, reason)
            failures += 1
            guard !isClosed else { return .failure(.closed) }
            guard await pause(after: failures, &backoff, before: deadline) else {
                return .failure(unavailable(reason, isOutcomeUnknown: false))
            }
        }
    }

    /// Waits when every member has failed once more; false when there is no time for another
    /// attempt.
    private func pause(
        after failures: Int,
        _ backoff: inout Backoff,
        before deadline: ContinuousClock.Instant
    ) async -> Bool {
        var pause = Duration.zero
        if failures.isMultiple(of: clients.count) {
            var random = SystemRandomNumberGenerator()
            pause = backoff.failed(using: &random)
        }
        guard clock.now + pause < deadline else { return false }
        guard pause > .zero else { return !Task.isCancelled }
        return (try? await Task.sleep(for: pause, clock: clock)) != nil
    }

    private func unavailable(_ reason: String, isOutcomeUnknown: Bool) -> StoreError {
        let endpoints = configuration.endpoints.map(\.description).joined(separator: ", ")
        let what = isOutcomeUnknown ? "etcd may or may not have done it" : "etcd did not answer"
        return StoreError(
            isClosed ? .closed : .unavailable,
            "\(what) within \(configuration.requestTimeout) at \(endpoints): \(reason)",
            isOutcomeUnknown: isOutcomeUnknown
        )
    }

    private enum Attempt {
        case success(MessageBytes)
        case failure(EtcdVerdict)
    }

    private func attempt(
        _ client: GRPCClient,
        _ path: String,
        _ frame: GRPCFrame,
        timeout: Duration
    ) async -> Attempt {
        await withTaskExecutorPreference(client.executor) {
            let call: ClientCall
            do {
                call = try await client.open(path, metadata: Self.metadata, timeout: timeout)
            } catch {
                return .failure(EtcdVerdict(Self.grpcError(error), isSent: false))
            }
            call.sendOnly(frame)
            do {
                return .success(try await call.onlyResponse())
            } catch {
                let isSent = call.ending?.reach ?? .server == .server
                return .failure(EtcdVerdict(Self.grpcError(error), isSent: isSent))
            }
        }
    }

    private static func grpcError(_ error: any Error) -> GRPCError {
        error as? GRPCError ?? GRPCError(.cancelled, "the call was cancelled")
    }

    static func reason(_ error: any Error) -> String { grpcError(error).message }

    /// Asks a member that has lost its leader to say so at once, and to end the watches that it can't
    /// serve.
    static let metadata: Metadata = {
        var metadata = Metadata()
        metadata.add("hasleader", "true")
        return metadata
    }()
}
