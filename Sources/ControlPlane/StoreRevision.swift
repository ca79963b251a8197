import Store

/// A revision of the store; views have revisions of their own.
typealias StoreRevision = Revision
