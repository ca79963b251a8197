import EtcdAPI
import Store

/// Makes batches of what a watch's stream brings; decides and does nothing.
///
/// It knows what has been told, so a stream that begins anew brings neither a gap nor anything
/// twice. It holds one response at most, and of one that comes in parts only a revision more.
struct EtcdWatchBuffer {
    /// The next revision to tell of.
    private(set) var cursor: Revision
    private let maximumChangesPerBatch: Int
    /// Ordered by revision.
    private var pending: [StoreChange] = []
    /// More of the last revision may be on its way.
    private var isPartial = false

    enum OnResponse: Equatable {
        case goOn
        /// The history is gone; the oldest revision that can be watched from.
        case compacted(Revision)
        case ended(String)
    }

    init(from revision: Revision, maximumChangesPerBatch: Int) {
        // etcd's first change is at 2.
        self.cursor = max(revision, Revision(1))
        self.maximumChangesPerBatch = maximumChangesPerBatch
    }

    /// Where a stream has to begin.
    ///
    /// One earlier than we want: at the very revision that history was compacted to etcd serves a
    /// watch, but may have dropped a delete. From there on it says that the history is gone.
    var startRevision: Revision { max(Revision(1), cursor.previous) }

    /// What had come and was not told comes again.
    mutating func streamBegan() {
        pending = []
        isPartial = false
    }

    mutating func received(_ response: Etcdserverpb_WatchResponse) -> OnResponse {
        if response.canceled {
            guard response.compactRevision == 0 else {
                return .compacted(Revision(response.compactRevision).next)
            }
            return .ended(response.cancelReason)
        }
        guard !response.created else { return .goOn }
        isPartial = response.fragment
        if response.events.isEmpty, pending.isEmpty, !isPartial {
            // Nothing has happened up to here.
            cursor = max(cursor, Revision(response.header.revision).next)
        }
        for event in response.events {
            guard let change = StoreChange(event), change.revision >= cursor else { continue }
            pending.append(change)
        }
        return .goOn
    }

    /// The next changes, whole revisions up to the limit and a little over; nil when more has to
    /// come.
    mutating func nextBatch() -> ChangeBatch? {
        guard let last = pending.last else { return nil }
        let whole =
            isPartial ? pending.prefix { $0.revision < last.revision }.count : pending.count
        guard whole > 0 else { return nil }
        var count = min(whole, maximumChangesPerBatch)
        while count < whole, pending[count].revision == pending[count - 1].revision { count += 1 }
        let told = pending[..<count].sorted { ($0.revision, $0.key) < ($1.revision, $1.key) }
        pending.removeFirst(count)
        let reached = told[count - 1].revision
        cursor = reached.next
        return ChangeBatch(revision: reached, changes: told)
    }
}
