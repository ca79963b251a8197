import GRPC
import GRPCAPI
import Membership
package import NIOCore
import Primitives
import ServiceLifecycle
package import Store

/// Asks the workers of services that want it for their health (`grpc.health.v1.Health/Check`).
///
/// Each question takes a connection of its own: that a worker still takes new ones is half of what is
/// asked.
package struct HealthProber<Storage: Store>: Service {
    /// How often it is looked who is due.
    private static var period: Duration { .milliseconds(250) }
    /// Questions that are out at one time; who is due beyond them waits for the next look.
    private static var maximumProbes: Int { 256 }

    private let registry: WorkerRegistry<Storage>
    private let group: any EventLoopGroup

    package init(registry: WorkerRegistry<Storage>, group: any EventLoopGroup) {
        self.registry = registry
        self.group = group
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var schedule = ProbeSchedule()
            let clock = ContinuousClock()
            while !Task.isCancelled {
                let targets = await registry.probeTargets()
                let due = schedule.due(targets, now: clock.now, most: Self.maximumProbes)
                await withDiscardingTaskGroup { probes in
                    for target in due { probes.addTask { await probe(target) } }
                }
                try? await clock.sleep(for: Self.period)
            }
        }
    }

    private func probe(_ target: MembershipMachine.ProbeTarget) async {
        let client = GRPCClient(addresses: [target.address], eventLoop: group.next())
        var isServing = false
        do {
            let response: Grpc_Health_V1_HealthCheckResponse = try await client.unary(
                "/grpc.health.v1.Health/Check",
                Grpc_Health_V1_HealthCheckRequest(),
                timeout: target.policy.timeout
            )
            isServing = response.status == .serving
        } catch let error as GRPCError where error.code == .unimplemented {
            // It answers, and has nothing to say of its health.
            isServing = true
        } catch {
            isServing = false
        }
        await client.close()
        guard !Task.isCancelled else { return }
        await registry.probed(target.worker, epoch: target.epoch, isServing: isServing)
    }
}

/// When each worker is asked next.
struct ProbeSchedule {
    private struct Entry {
        let epoch: Epoch
        var next: ContinuousClock.Instant
    }

    private var entries: [WorkerID: Entry] = [:]

    /// Who is to be asked now, the longest due first; who is no target any more is forgotten.
    mutating func due(
        _ targets: [MembershipMachine.ProbeTarget],
        now: ContinuousClock.Instant,
        most: Int
    ) -> [MembershipMachine.ProbeTarget] {
        var kept: [WorkerID: Entry] = [:]
        var due: [(target: MembershipMachine.ProbeTarget, since: ContinuousClock.Instant)] = []
        for target in targets {
            // A new registration is asked at once.
            let known = entries[target.worker].flatMap { $0.epoch == target.epoch ? $0 : nil }
            let entry = known ?? Entry(epoch: target.epoch, next: now)
            kept[target.worker] = entry
            if entry.next <= now { due.append((target, entry.next)) }
        }
        let chosen = due.sorted { ($0.since, $0.target.worker) < ($1.since, $1.target.worker) }
            .prefix(most)
        for (target, _) in chosen {
            kept[target.worker]?.next = now.advanced(by: target.policy.interval)
        }
        entries = kept
        return chosen.map(\.target)
    }
}
