/// When leases that lapse together are taken for the control plane's own deafness.
///
/// Both must be exceeded. A share alone would make the death of one worker out of one a mass event;
/// a number alone would make it one in a region of thousands.
package struct MassExpiryRule: Hashable, Sendable {
    /// Of the leases of one region that say something, in percent; 100 turns the guard off.
    package var percent: Int
    /// Leases that may lapse together and still be believed.
    package var workers: Int

    package init(percent: Int = 50, workers: Int = 3) {
        self.percent = percent
        self.workers = workers
    }

    /// True when so many of so many can't have died.
    func isExceeded(by lost: Int, of total: Int) -> Bool {
        lost > workers && lost * 100 > percent * total
    }
}
