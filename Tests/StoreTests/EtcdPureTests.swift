import EtcdAPI
import GRPC
import Store
import Testing

@testable import EtcdStore

@Suite struct EtcdWatchBufferTests {
    private func put(_ key: String, _ revision: Int64) -> Mvccpb_Event {
        .with {
            $0.type = .put
            $0.kv.key = StoreKey(key).data
            $0.kv.modRevision = revision
            $0.kv.createRevision = revision
            $0.kv.version = 1
        }
    }

    private func response(
        _ events: [Mvccpb_Event],
        fragment: Bool = false,
        revision: Int64 = 0
    ) -> Etcdserverpb_WatchResponse {
        .with {
            $0.events = events
            $0.fragment = fragment
            $0.header.revision = revision
        }
    }

    private func buffer(from revision: Int64, limit: Int = 100) -> EtcdWatchBuffer {
        EtcdWatchBuffer(from: Revision(revision), maximumChangesPerBatch: limit)
    }

    @Test func `a stream begins one revision early and what is too early is dropped`() {
        var buffer = buffer(from: 5)
        let outcome = buffer.received(response([put("a", 4), put("b", 5)]))
        let batch = buffer.nextBatch()
        #expect(buffer.startRevision == Revision(5))
        #expect(outcome == .goOn)
        #expect(batch?.changes.map(\.key) == ["b"])
        #expect(batch?.revision == Revision(5))
        #expect(buffer.cursor == Revision(6))
        #expect(buffer.nextBatch() == nil)
    }

    @Test func `the first revisions are watched from the first`() {
        #expect([0, 1, 2].map { buffer(from: $0).startRevision.rawValue } == [1, 1, 1])
    }

    @Test func `what a new stream tells again is told once`() {
        var buffer = buffer(from: 2, limit: 1)
        _ = buffer.received(response([put("a", 2), put("b", 3), put("c", 4)]))
        let first = buffer.nextBatch()
        buffer.streamBegan()
        let nothing = buffer.nextBatch()
        let again = buffer.startRevision
        _ = buffer.received(response([put("a", 2), put("b", 3), put("c", 4)]))
        let second = buffer.nextBatch()
        #expect(first?.changes.map(\.key) == ["a"])
        #expect(nothing == nil)
        #expect(again == Revision(2))
        #expect(second?.changes.map(\.key) == ["b"])
    }

    @Test func `a revision that comes in parts waits for its end`() {
        var buffer = buffer(from: 2)
        _ = buffer.received(response([put("a", 2), put("z", 3)], fragment: true))
        let first = buffer.nextBatch()
        let nothing = buffer.nextBatch()
        _ = buffer.received(response([put("b", 3)]))
        let second = buffer.nextBatch()
        #expect(first?.changes.map(\.key) == ["a"])
        #expect(nothing == nil)
        #expect(second?.changes.map(\.key) == ["b", "z"])
    }

    @Test func `progress moves an idle watch on and nothing else does`() {
        var buffer = buffer(from: 2)
        _ = buffer.received(
            .with {
                $0.created = true
                $0.header.revision = 50
            }
        )
        let created = buffer.cursor
        _ = buffer.received(response([], revision: 70))
        let progress = buffer.cursor
        _ = buffer.received(response([], revision: 60))
        #expect(created == Revision(2))
        #expect(progress == Revision(71))
        #expect(buffer.cursor == Revision(71))
    }

    @Test func `compaction is told with the oldest revision that is left`() {
        var buffer = buffer(from: 2)
        let compacted = buffer.received(
            .with {
                $0.canceled = true
                $0.compactRevision = 9
            }
        )
        let ended = buffer.received(
            .with {
                $0.canceled = true
                $0.cancelReason = "etcdserver: no leader"
            }
        )
        #expect(compacted == .compacted(Revision(10)))
        #expect(ended == .ended("etcdserver: no leader"))
    }
}

@Suite struct EtcdMembersTests {
    @Test func `a member that fails is left once, whoever saw it`() {
        var members = EtcdMembers(count: 3, first: 5)
        let first = members.failed(2)
        let late = members.failed(2)
        #expect(first)
        #expect(!late)
        #expect(members.current == 0)
    }

    @Test func `the only member stays`() {
        var members = EtcdMembers(count: 1, first: 0)
        let moved = members.failed(0)
        #expect(!moved)
        #expect(members.current == 0)
    }
}

@Suite struct EtcdVerdictTests {
    private enum Kind: Equatable {
        case final(StoreError.Code)
        case notDone
        case unknown
        case tooLarge
    }

    private func kind(_ error: GRPCError, isSent: Bool = true) -> Kind {
        switch EtcdVerdict(error, isSent: isSent) {
        case .final(let error): .final(error.code)
        case .notDone: .notDone
        case .unknown: .unknown
        case .tooLarge: .tooLarge
        }
    }

    @Test func `each of etcd's errors is told by what it means`() {
        let mvcc = "etcdserver: mvcc: "
        #expect(
            kind(.init(.outOfRange, mvcc + "required revision has been compacted"))
                == .final(.compacted)
        )
        #expect(
            kind(.init(.outOfRange, mvcc + "required revision is a future revision"))
                == .final(.futureRevision)
        )
        #expect(
            kind(.init(.notFound, "etcdserver: requested lease not found"))
                == .final(.leaseNotFound)
        )
        #expect(
            kind(.init(.resourceExhausted, mvcc + "database space exceeded")) == .final(.diskFull)
        )
        #expect(
            kind(.init(.invalidArgument, "etcdserver: request is too large"))
                == .final(.limitExceeded)
        )
        #expect(
            kind(.init(.invalidArgument, "etcdserver: duplicate key given in txn request"))
                == .final(.invalid)
        )
        #expect(kind(.init(.dataLoss, "etcdserver: corrupt cluster")) == .final(.corrupt))
    }

    @Test func `a change past the quota may have been done`() {
        let error = GRPCError(.resourceExhausted, "etcdserver: mvcc: database space exceeded")
        guard case .final(let refusal) = EtcdVerdict(error, isSent: true) else {
            Issue.record("it was not final")
            return
        }
        #expect(refusal.isOutcomeUnknown)
    }

    @Test func `what a member never handed on may be asked of another`() {
        #expect(kind(.init(.unavailable, "etcdserver: no leader")) == .notDone)
        #expect(kind(.init(.unavailable, "etcdserver: leader changed")) == .notDone)
        #expect(kind(.init(.resourceExhausted, "etcdserver: too many requests")) == .notDone)
        #expect(kind(.init(.unavailable, "cannot connect"), isSent: false) == .notDone)
        #expect(kind(.init(.deadlineExceeded, "the deadline passed"), isSent: false) == .notDone)
    }

    @Test func `what may have been done is unknown`() {
        #expect(kind(.init(.unavailable, "etcdserver: request timed out")) == .unknown)
        #expect(kind(.init(.unavailable, "the connection was lost: reset")) == .unknown)
        #expect(kind(.init(.deadlineExceeded, "the deadline of 5 s passed")) == .unknown)
        #expect(kind(.init(.unknown, "context deadline exceeded")) == .unknown)
        #expect(kind(.init(.unknown, "raft proposal dropped")) == .notDone)
    }

    @Test func `a response that we don't take is told apart from a full database`() {
        #expect(kind(.init(.resourceExhausted, "a message of 5000 bytes")) == .tooLarge)
    }
}

@Suite struct EtcdConfigurationTests {
    @Test func `a URL lists the members`() throws {
        let configuration = try EtcdConfiguration(url: "etcd://10.0.0.1:2379,[::1]:2380")
        #expect(configuration.endpoints.map(\.description) == ["10.0.0.1:2379", "[::1]:2380"])
    }

    @Test(arguments: ["etcd://", "etcd://host", "etcd://a:1,,b:2", "http://a:1", "etcd://a:0"])
    func `a URL that lists none is refused by name`(url: String) {
        let error = #expect(throws: StoreError.self) { try EtcdConfiguration(url: url) }
        #expect(error?.code == .invalid)
        #expect(error?.message.contains(url) == true)
    }
}
