import EtcdAPI
import GRPC
import Primitives
package import Store

extension EtcdStore {
    package func watch(_ range: KeyRange, from revision: Revision) -> Watch {
        Watch(caller: caller, range: range, start: revision)
    }

    /// The changes from a revision on, as they come.
    ///
    /// A watch outlives its member and outages of the whole cluster: it goes on where it was. The
    /// flow control of its stream holds etcd back while nobody reads, and etcd reads its own history
    /// when the reader is back, or says that it has been compacted.
    package struct Watch: AsyncSequence, Sendable {
        package typealias Element = ChangeBatch
        package typealias Failure = StoreError

        fileprivate let caller: EtcdCaller
        fileprivate let range: KeyRange
        fileprivate let start: Revision

        package func makeAsyncIterator() -> Iterator {
            Iterator(self)
        }

        package struct Iterator: AsyncIteratorProtocol {
            private let caller: EtcdCaller
            private let range: KeyRange
            private var buffer: EtcdWatchBuffer
            private var place: Place?
            private var stream: Stream?
            private var backoff: Backoff
            private var failures = 0

            fileprivate init(_ watch: Watch) {
                caller = watch.caller
                range = watch.range
                buffer = EtcdWatchBuffer(
                    from: watch.start,
                    maximumChangesPerBatch: caller.configuration.limits.maximumChangesPerBatch
                )
                backoff = caller.newBackoff
            }

            package mutating func next(
                isolation actor: isolated (any Actor)? = #isolation
            ) async throws(StoreError) -> ChangeBatch? {
                try caller.configuration.limits.check(range)
                if place == nil { place = try Place(caller) }
                while !Task.isCancelled {
                    if let batch = buffer.nextBatch() { return batch }
                    try await receive()
                }
                stream = nil
                return nil
            }

            /// One response, or one failure and the pause after it.
            private mutating func receive(
                isolation actor: isolated (any Actor)? = #isolation
            ) async throws(StoreError) {
                let member = if let stream { stream.member } else { try caller.currentMember() }
                let response: Etcdserverpb_WatchResponse
                do {
                    let stream = try await open(at: member)
                    guard let bytes = try await stream.call.next() else {
                        return try await failed(member, "it ended the watch")
                    }
                    response = try Etcdserverpb_WatchResponse(grpcMessage: bytes)
                } catch {
                    return try await failed(member, EtcdCaller.reason(error))
                }
                failures = 0
                backoff.succeeded()
                switch buffer.received(response) {
                case .goOn: return
                case .compacted(let oldest): throw compacted(oldest)
                case .ended(let reason): try await failed(member, reason)
                }
            }

            private mutating func open(
                at member: Int,
                isolation actor: isolated (any Actor)? = #isolation
            ) async throws -> Stream {
                if let stream { return stream }
                let call = try await caller.client(member).open(
                    "/etcdserverpb.Watch/Watch",
                    metadata: EtcdCaller.metadata
                )
                let opened = Stream(call: call, member: member)
                stream = opened
                buffer.streamBegan()
                let create = Etcdserverpb_WatchCreateRequest.with {
                    $0.key = range.wireKey
                    $0.rangeEnd = range.wireEnd
                    $0.startRevision = buffer.startRevision.rawValue
                    $0.progressNotify = true
                    $0.fragment = true
                }
                try await call.write(
                    GRPCFrame(Etcdserverpb_WatchRequest.with { $0.createRequest = create })
                )
                return opened
            }

            private mutating func failed(
                _ member: Int,
                _ reason: String,
                isolation actor: isolated (any Actor)? = #isolation
            ) async throws(StoreError) {
                stream = nil
                guard !Task.isCancelled else { return }
                guard !caller.isClosed else { throw .closed }
                caller.failed(member, reason)
                failures += 1
                guard failures.isMultiple(of: caller.configuration.endpoints.count) else { return }
                var random = SystemRandomNumberGenerator()
                // Cut short by a cancellation, which `next` then sees.
                try? await Task.sleep(for: backoff.failed(using: &random))
            }

            private func compacted(_ oldest: Revision) -> StoreError {
                StoreError(
                    .compacted,
                    "the history before revision \(oldest) is gone, asked was \(buffer.cursor)",
                    oldestRevision: oldest
                )
            }
        }
    }
}

extension EtcdStore.Watch {
    /// One of the watches that there may be, given back when the iterator goes.
    fileprivate final class Place: Sendable {
        private let caller: EtcdCaller

        init(_ caller: EtcdCaller) throws(StoreError) {
            try caller.beginWatch()
            self.caller = caller
        }

        deinit { caller.endWatch() }
    }

    /// An open stream, ended when nobody reads it any more.
    fileprivate final class Stream: Sendable {
        let call: ClientCall
        let member: Int

        init(call: ClientCall, member: Int) {
            self.call = call
            self.member = member
        }

        deinit { call.cancel() }
    }
}
