import Foundation
import Synchronization
import Testing

@testable import Store

/// A clock that stands still until it is told.
private final class ManualStoreClock: StoreClock {
    private struct State {
        var now: Duration = .zero
        var sleepers: [(until: Duration, wakeUp: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var now: Duration { state.withLock { $0.now } }
    var hasSleeper: Bool { state.withLock { !$0.sleepers.isEmpty } }

    func sleep(for duration: Duration) async throws {
        await withCheckedContinuation { wakeUp in
            state.withLock { $0.sleepers.append(($0.now + duration, wakeUp)) }
        }
    }

    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now += duration
            let due = state.sleepers.filter { $0.until <= state.now }
            state.sleepers.removeAll { $0.until <= state.now }
            return due
        }
        for sleeper in due { sleeper.wakeUp.resume() }
    }

    /// In steps as small as the sweep's, each waited for: nobody may think that time jumped.
    func pass(_ duration: Duration, step: Duration = .milliseconds(100)) async {
        let end = now + duration
        while now < end {
            while !hasSleeper { await Task.yield() }
            advance(by: step)
        }
        while !hasSleeper { await Task.yield() }
    }
}

@Suite struct SQLiteLeaseTests {
    private let directory: TemporaryDirectory
    private let configuration: SQLiteStore.Configuration
    private let clock = ManualStoreClock()

    init() throws {
        directory = try TemporaryDirectory()
        var configuration = SQLiteStore.Configuration(path: directory.path("store.db"))
        configuration.lockTimeout = .zero
        self.configuration = configuration
    }

    /// With a lease of 10 s that holds one key, and one of an hour that keeps the sweep going.
    private func leased() async throws -> (SQLiteStore, LeaseID) {
        let store = try await SQLiteStore.open(configuration, clock: clock)
        let lease = try await store.grantLease(for: .seconds(10))
        _ = try await store.grantLease(for: .seconds(3_600))
        _ = try await store.commit(Transaction(success: [.put("a", [1], lease: lease.id)]))
        return (store, lease.id)
    }

    private func remaining(_ store: SQLiteStore, _ id: LeaseID) async throws -> Duration {
        try await store.status(of: id).remaining
    }

    @Test func `a lease ends when its time is over and not before`() async throws {
        let (store, id) = try await leased()
        await clock.pass(.seconds(9))
        let before = try await remaining(store, id)
        let present = try await store.get("a").entries.count
        await clock.pass(.seconds(2))
        let after = try await store.get("a").entries.count
        #expect(before == .seconds(1))
        #expect(present == 1)
        #expect(after == 0)
        await store.close()
    }

    @Test func `a keep-alive begins the time anew`() async throws {
        let (store, id) = try await leased()
        await clock.pass(.seconds(8))
        let renewed = try await store.keepAlive(id)
        await clock.pass(.seconds(8))
        let rest = try await remaining(store, id)
        #expect(renewed.timeToLive == .seconds(10))
        #expect(rest == .seconds(2))
        await store.close()
    }

    @Test func `leases survive a restart with their whole time`() async throws {
        let (first, id) = try await leased()
        await clock.pass(.seconds(9))
        await first.close()
        clock.advance(by: .seconds(3_600))
        let second = try await SQLiteStore.open(configuration, clock: clock)
        let status = try await second.status(of: id)
        await clock.pass(.seconds(11))
        let keys = try await second.range(prefix: "").entries.map(\.key)
        #expect(status.lease.timeToLive == .seconds(10))
        #expect(status.remaining == .seconds(10))
        #expect(status.keys == ["a"])
        #expect(keys.isEmpty)
        await second.close()
    }

    @Test func `a process that stood still takes nobody's lease`() async throws {
        let (store, id) = try await leased()
        await clock.pass(.seconds(4))
        clock.advance(by: .seconds(20))
        while !clock.hasSleeper { await Task.yield() }
        let renewed = try await store.keepAlive(id)
        #expect(renewed.id == id)
        #expect(try await store.get("a").entries.count == 1)
        await store.close()
    }

    @Test func `a lease past the limit is refused, and one that ends makes room`() async throws {
        var configuration = configuration
        configuration.maximumLeases = 2
        let store = try await SQLiteStore.open(configuration, clock: clock)
        let first = try await store.grantLease(for: .seconds(10))
        _ = try await store.grantLease(for: .seconds(10))
        let error = await #expect(throws: StoreError.self) {
            try await store.grantLease(for: .seconds(10))
        }
        try await store.revoke(first.id)
        _ = try await store.grantLease(for: .seconds(10))
        #expect(error?.code == .limitExceeded)
        await store.close()
    }
}

@Suite struct LeaseTableTests {
    private let lease = Lease(id: LeaseID(7), timeToLive: .seconds(10))

    @Test func `a lease that has run out is not brought back by a keep-alive`() {
        var table = LeaseTable()
        table.granted(lease, now: .zero)
        let last = table.renewed(lease.id, now: .seconds(9))
        let early = table.expired(now: .seconds(18))
        let late = table.renewed(lease.id, now: .seconds(19))
        #expect(last == lease)
        #expect(early.isEmpty)
        #expect(late == nil)
        #expect(table.expired(now: .seconds(19)) == [lease.id])
    }

    @Test func `an outage of our own is added to every lease`() {
        var table = LeaseTable()
        table.granted(lease, now: .zero)
        table.stoodStill(for: .seconds(5))
        #expect(table.expired(now: .seconds(14)).isEmpty)
        #expect(table.expired(now: .seconds(15)) == [lease.id])
        #expect(table.remaining(of: lease.id, now: .seconds(30))?.remaining == .zero)
    }
}

@Suite struct CompactionScheduleTests {
    private func schedule(age: Duration, revisions: Int64) -> CompactionSchedule {
        var retention = HistoryRetention()
        retention.age = age
        retention.maximumRevisions = revisions
        return CompactionSchedule(retention)
    }

    @Test func `what is older than the retention goes`() {
        var schedule = schedule(age: .seconds(100), revisions: 1_000)
        let due = [(10, 0), (20, 60), (30, 100), (40, 160), (40, 220)].map { revision, time in
            schedule.sampled(Revision(revision), now: .seconds(time))
        }
        #expect(due == [nil, nil, Revision(11), Revision(21), Revision(31)])
    }

    @Test func `more revisions than may be kept go however young`() {
        var schedule = schedule(age: .seconds(100), revisions: 10)
        let few = schedule.sampled(Revision(10), now: .zero)
        let many = schedule.sampled(Revision(50), now: .seconds(1))
        let same = schedule.sampled(Revision(50), now: .seconds(2))
        #expect(few == nil)
        #expect(many == Revision(41))
        #expect(same == nil)
    }

    @Test func `a compactor compacts a store`() async throws {
        let directory = try TemporaryDirectory()
        let store = try await SQLiteStore.open(.init(path: directory.path("store.db")))
        for index in 0..<20 { try await store.put("k", "\(index)") }
        var retention = HistoryRetention()
        retention.maximumRevisions = 5
        let compactor = HistoryCompactor(store: store, retention: retention) { error in
            Issue.record("\(error)")
        }
        let running = Task { await compactor.run() }
        let error: StoreError = try await waitFor("a compaction") {
            do {
                _ = try await store.get("k", at: Revision(1))
                return nil
            } catch let error as StoreError {
                return error
            }
        }
        let kept = try await changes(of: store.watch(prefix: "", from: Revision(16)), count: 5)
        await store.close()
        #expect(error.code == .compacted)
        #expect(error.oldestRevision == Revision(16))
        #expect(kept.count == 5)
        running.cancel()
        await running.value
    }
}
