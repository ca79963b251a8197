/// Which member of the cluster is asked; decides and does nothing.
///
/// One serves for everything until it fails, so that a member that hangs costs each request at most
/// one attempt, and a replica sees its own writes through one member's eyes.
struct EtcdMembers {
    let count: Int
    private(set) var current: Int

    /// - Precondition: there is at least one.
    init(count: Int, first: Int) {
        precondition(count > 0, "a cluster has a member")
        self.count = count
        self.current = first % count
    }

    /// The next one is asked from now on, unless somebody else's failure has moved us on already.
    ///
    /// True when this changed who is asked.
    mutating func failed(_ member: Int) -> Bool {
        guard member == current, count > 1 else { return false }
        current = (current + 1) % count
        return true
    }
}
