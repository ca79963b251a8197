import GRPC
import HTTP2
import MeridianAPI
package import NIOCore
import Primitives
import Synchronization

/// Sends report requests in an open loop and counts what becomes of them.
///
/// Everything happens on one event loop, the scheduling too: a call costs no change of threads, and
/// one core makes thousands a second.
package final class LoadGenerator: Sendable {
    private static let reportPath = "/meridian.v1.ReportService/GenerateReport"
    private static let healthPath = "/grpc.health.v1.Health/Check"
    /// What the last calls may take beyond their deadline before they are given up.
    private static let grace = Duration.seconds(1)

    private let configuration: LoadConfiguration
    private let executor: EventLoopExecutor
    private let clients: [GRPCClient]
    private let statistics: Mutex<LoadStatistics>

    /// - Precondition: the configuration's values are in their ranges.
    package init(_ configuration: LoadConfiguration, eventLoop: any EventLoop) {
        precondition(configuration.connections > 0, "a load needs a connection")
        self.configuration = configuration
        executor = EventLoopExecutor(eventLoop: eventLoop)
        var client = GRPCClientConfiguration()
        // The bound on calls in flight is the one that counts.
        client.maximumWaitingCalls = configuration.maximumInFlight
        clients = (0..<configuration.connections).map { _ in
            GRPCClient(
                addresses: [configuration.target],
                configuration: client,
                eventLoop: eventLoop
            )
        }
        statistics = Mutex(LoadStatistics(maximumInFlight: configuration.maximumInFlight))
    }

    /// Runs the whole load.
    ///
    /// Throws `OperatorError` when nothing answers at the target; calls that fail are a result.
    package func run(unixMilliseconds: @Sendable () -> Int) async throws -> LoadSummary {
        try await withTaskExecutorPreference(executor) {
            try await connect()
            let start = NIODeadline.now()
            let startedUnixMilliseconds = unixMilliseconds()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.sendAll(from: start) }
                group.addTask { await self.closeLate(from: start) }
                await group.next()
                group.cancelAll()
            }
            await closeAll()
            return LoadSummary(
                statistics.withLock { $0 },
                startedUnixMilliseconds: startedUnixMilliseconds
            )
        }
    }

    // MARK: - Connections

    /// Makes every connection, so that the first calls are not measured with it.
    ///
    /// The call is one that a server answers itself and a proxy need not route: whatever the answer
    /// is, there is somebody.
    private func connect() async throws {
        for client in clients {
            let call: ClientCall
            do {
                call = try await client.open(Self.healthPath, timeout: configuration.timeout)
            } catch let error as GRPCError {
                await closeAll()
                throw OperatorError(
                    .unreachableTarget,
                    "--target: \(error.message)"
                )
            }
            try? await call.write(GRPCFrame(bytes: []))
            await call.finishWriting()
            while let _ = try? await call.next() {}
        }
    }

    /// Ends the calls that even their deadline has not ended, such as one that waits for a
    /// connection.
    private func closeLate(from start: NIODeadline) async {
        let limit = configuration.duration + configuration.timeout + Self.grace
        do {
            try await Task.sleep(for: limit - .nanoseconds((NIODeadline.now() - start).nanoseconds))
        } catch {
            // All calls have ended before.
            return
        }
        await closeAll()
    }

    private func closeAll() async {
        for client in clients { await client.close() }
    }

    // MARK: - Calls

    private func sendAll(from start: NIODeadline) async {
        var schedule = LoadSchedule(rate: configuration.rate, duration: configuration.duration)
        var mix = ReportMix(seed: configuration.seed, customers: configuration.customers)
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                switch schedule.timeReached(elapsed(since: start)) {
                case .finished: return
                case .wait(let offset):
                    await sleep(until: start + TimeAmount(offset))
                case .start(let calls):
                    for call in calls {
                        // Drawn even for a call that is dropped: the seed alone decides the rest.
                        let request = mix.next()
                        guard case .send = statistics.withLock({ $0.callDue() }) else { continue }
                        let offset = schedule.offset(of: call)
                        group.addTask { await self.send(request, call, due: offset, from: start) }
                    }
                    // Through the loop and not past it: sockets must have their turn.
                    await sleep(until: .now())
                }
            }
        }
    }

    private func send(
        _ request: Meridian_V1_GenerateReportRequest,
        _ number: Int,
        due: Duration,
        from start: NIODeadline
    ) async {
        let outcome: LoadStatistics.Outcome
        do {
            let response: Meridian_V1_GenerateReportResponse =
                try await clients[number % clients.count].unary(
                    Self.reportPath,
                    request,
                    timeout: configuration.timeout
                )
            let server = response.servedBy
            outcome = .served(region: server.locality.region, worker: server.workerID)
        } catch let error as GRPCError {
            outcome = .failed(error.code.description)
        } catch {
            outcome = .failed(GRPCStatusCode.unknown.description)
        }
        let now = elapsed(since: start)
        statistics.withLock { $0.callEnded(outcome, at: now, latency: now - due) }
    }

    private func elapsed(since start: NIODeadline) -> Duration {
        .nanoseconds((NIODeadline.now() - start).nanoseconds)
    }

    /// Waits on the event loop's own timer, which needs no other thread.
    private func sleep(until deadline: NIODeadline) async {
        // The loop outlives the load, so its timers can't fail.
        try? await executor.eventLoop.scheduleTask(deadline: deadline) {}.futureResult.get()
    }
}
