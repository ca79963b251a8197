import SQLite

extension StoreError {
    /// What a failure of SQLite means for the store.
    init(sqlite error: any Error, doing action: String) {
        guard let sqlite = error as? SQLiteError else {
            self.init(.failed, "can't \(action): \(error)", cause: error)
            return
        }
        self.init(Self.code(sqlite.code), "can't \(action): \(sqlite.message)", cause: sqlite)
    }

    private static func code(_ code: SQLiteError.Code) -> Code {
        switch code {
        case .busy, .locked: .inUse
        case .readOnly: .readOnly
        case .full: .diskFull
        case .inputOutput: .inputOutput
        case .corrupt: .corrupt
        case .notADatabase: .notAStore
        case .cannotOpen: .unavailable
        default: .failed
        }
    }
}
