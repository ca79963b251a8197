import NIOCore
import Synchronization
package import XDSCore

/// A view and the streams that get it.
///
/// Any thread may replace the view; each stream reads it on its own event loop. The streams of one
/// loop are told in one go, so their responses leave in one batch.
package final class PublishedView: Sendable {
    private struct State {
        var view: View
        var lastHeartbeat: ContinuousClock.Instant?
        var loops: [ObjectIdentifier: LoopStreams] = [:]
    }

    private let state: Mutex<State>

    package let id: ViewID

    package init(id: ViewID) {
        self.id = id
        state = Mutex(State(view: View(id: id)))
    }

    package var current: View { state.withLock { $0.view } }

    /// Takes the whole new content; false when nothing differs.
    ///
    /// `notifyStreams` makes it known.
    ///
    /// Callers take turns: a view that is replaced by two threads at once has the content of one of
    /// them.
    package func replace(with resources: [EncodedResource]) -> Bool {
        update { $0.replacing(with: resources) }
    }

    /// Takes what changed, in O(changes); false when nothing differs.
    package func apply(_ changes: [ResourceChange]) -> Bool {
        update { $0.applying(changes) }
    }

    private func update(_ change: (View) -> View) -> Bool {
        state.withLock { state in
            let next = change(state.view)
            guard next.revision != state.view.revision else { return false }
            state.view = next
            return true
        }
    }

    /// Tells every stream that the view may have changed.
    ///
    /// They read what is current when they get to it: of several changes in a row a busy loop sees
    /// the last.
    package func notifyStreams() {
        let loops = state.withLock { $0.loops.values.map { $0 } }
        for streams in loops {
            streams.eventLoop.execute { streams.viewChanged(to: self.current) }
        }
    }

    /// Has the streams send heartbeats, if the shortest time to live asks for them.
    func renewTimesToLive(now: ContinuousClock.Instant) {
        let loops: [LoopStreams] = state.withLock { state in
            guard let shortest = state.view.shortestTimeToLive else {
                state.lastHeartbeat = nil
                return []
            }
            // What was just published is as good as renewed.
            let last = state.lastHeartbeat ?? now
            guard state.lastHeartbeat != nil, last.duration(to: now) >= shortest / 3 else {
                state.lastHeartbeat = last
                return []
            }
            state.lastHeartbeat = now
            return Array(state.loops.values)
        }
        for streams in loops {
            streams.eventLoop.execute { streams.heartbeatIsDue() }
        }
    }

    func add(_ stream: DiscoveryStream, on eventLoop: any EventLoop) {
        let streams = state.withLock { state in
            let key = ObjectIdentifier(eventLoop)
            if let streams = state.loops[key] { return streams }
            let streams = LoopStreams(eventLoop: eventLoop)
            state.loops[key] = streams
            return streams
        }
        streams.insert(stream)
    }

    func remove(_ stream: DiscoveryStream, from eventLoop: any EventLoop) {
        state.withLock { $0.loops[ObjectIdentifier(eventLoop)] }?.remove(stream)
    }
}

/// The streams of one view on one event loop.
// SAFETY (@unchecked Sendable): `streams` is touched on `eventLoop` only, which every method
// requires.
private final class LoopStreams: @unchecked Sendable {
    let eventLoop: any EventLoop
    private var streams: [ObjectIdentifier: DiscoveryStream] = [:]
    /// One buffer for all streams, so that a change allocates nothing for each.
    private var actions: [ADSStream.Action] = []

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func insert(_ stream: DiscoveryStream) {
        eventLoop.preconditionInEventLoop()
        streams[ObjectIdentifier(stream)] = stream
    }

    func remove(_ stream: DiscoveryStream) {
        eventLoop.preconditionInEventLoop()
        streams[ObjectIdentifier(stream)] = nil
    }

    func heartbeatIsDue() {
        eventLoop.preconditionInEventLoop()
        for stream in streams.values { stream.heartbeatIsDue() }
    }

    func viewChanged(to view: View) {
        eventLoop.preconditionInEventLoop()
        for stream in streams.values {
            stream.viewChanged(to: view, reusing: &actions)
        }
    }
}
