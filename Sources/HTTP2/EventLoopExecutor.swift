import DequeModule
package import NIOCore
import Synchronization

/// Runs Swift tasks on one NIO event loop, in batches.
///
/// A handler's task that is enqueued while a connection reads runs right after that read, before
/// anything is flushed: a hundred requests in one TCP segment become one batch of jobs and one
/// write. NIO's own executor pays a scheduled task for every job instead.
///
/// The executor is also where connections say that they have something to send: each one is flushed
/// once, at the end of the batch.
// SAFETY (@unchecked Sendable): every stored `var` is touched on `eventLoop` only, which `enqueue`
// checks and the other methods require.
package final class EventLoopExecutor: TaskExecutor, @unchecked Sendable {
    package let eventLoop: any EventLoop
    /// Counts up with each executor of the process, to spread what is counted by event loop.
    package let number = EventLoopExecutor.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    private static let lastNumber = Atomic(0)

    private var jobs = Deque<UnownedJob>()
    private var unflushed: [HTTP2Connection] = []
    private var isBatching = false
    private var isScheduled = false

    /// Bytes on their way out, reused by every connection of the loop so that an idle connection
    /// holds none.
    var scratch = ByteBuffer()

    package init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard eventLoop.inEventLoop else {
            eventLoop.execute { self.batch { self.jobs.append(job) } }
            return
        }
        jobs.append(job)
        scheduleDrain()
    }

    /// Runs `body`, then every job that it made ready, then flushes the connections that have
    /// output.
    ///
    /// Nested calls join the batch that is already running.
    package func batch(_ body: () -> Void) {
        eventLoop.preconditionInEventLoop()
        if isBatching {
            return body()
        }
        isBatching = true
        body()
        drain()
        isBatching = false
    }

    /// Inside a batch: what is ready so far runs and is flushed now.
    func runReadyJobs() {
        assert(isBatching, "jobs are run by the batch that they belong to")
        drain()
    }

    /// Flushes `connection` at the end of the batch, or of the next one when none is running.
    func needsFlush(_ connection: HTTP2Connection) {
        unflushed.append(connection)
        scheduleDrain()
    }

    private func scheduleDrain() {
        guard !isBatching, !isScheduled else { return }
        isScheduled = true
        eventLoop.execute {
            self.isScheduled = false
            self.batch {}
        }
    }

    private func drain() {
        let executor = asUnownedTaskExecutor()
        // A flush can make jobs ready (a writer that waited for room), so go round until both are
        // empty.
        while true {
            while let job = jobs.popFirst() {
                job.runSynchronously(on: executor)
            }
            guard !unflushed.isEmpty else { return }
            let connections = unflushed
            unflushed.removeAll(keepingCapacity: true)
            for connection in connections {
                connection.flushNow()
            }
        }
    }
}

/// One executor for each event loop of a group.
package struct EventLoopExecutors: Sendable {
    private let byLoop: [ObjectIdentifier: EventLoopExecutor]

    package init(group: any EventLoopGroup) {
        var byLoop: [ObjectIdentifier: EventLoopExecutor] = [:]
        for eventLoop in group.makeIterator() {
            byLoop[ObjectIdentifier(eventLoop)] = EventLoopExecutor(eventLoop: eventLoop)
        }
        self.byLoop = byLoop
    }

    package subscript(eventLoop: any EventLoop) -> EventLoopExecutor {
        guard let executor = byLoop[ObjectIdentifier(eventLoop)] else {
            preconditionFailure(
                "the channel's event loop is not of the group that the executors were made for"
            )
        }
        return executor
    }
}
