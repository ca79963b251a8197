import Primitives
import Reports
import SQLite

/// Fills a new file with the sample data.
///
/// Bytes must not differ between runs. So every draw comes from the seed in a fixed order, no clock is read, one
/// transaction writes everything (the header counts transactions), and `secure_delete` keeps leftovers of SQLite's
/// page buffers out of the free parts of pages.
struct SampleGenerator {
    /// `MRSD`, in the header of the file.
    static let applicationID: Int64 = 0x4D52_5344

    private let sample: SampleDatabase
    private var random: SeededRandom

    private struct Product {
        let id: Int
        let cents: Int
    }

    private struct Customer {
        let id: Int
        let region: Int
    }

    init(_ sample: SampleDatabase) {
        self.sample = sample
        random = SeededRandom(seed: sample.seed)
    }

    /// Writes the database; the path must not exist.
    consuming func write(to path: String) throws {
        let database = try Database(path: path)
        // A crash makes the whole file worthless anyway, so there is nothing to protect until it is renamed.
        try database.execute(
            """
            PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            PRAGMA secure_delete = FAST; PRAGMA cache_size = -65536; PRAGMA auto_vacuum = NONE;
            PRAGMA application_id = \(Self.applicationID);
            PRAGMA user_version = \(SampleDatabase.schemaVersion);
            """
        )
        try database.transaction(.exclusive) {
            try database.execute(Self.tables)
            try insertMeta(database)
            try insertRegions(database)
            let products = try insertProducts(database)
            let customers = try insertCustomers(database)
            try insertOrders(database, customers: customers, products: products)
            // Indexes built over finished tables are faster to make and denser.
            try database.execute(Self.indexes)
            try database.execute("ANALYZE")
        }
        try database.execute("PRAGMA journal_mode = DELETE")
    }

    private static let tables = """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE region (id INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT NOT NULL);
        CREATE TABLE product (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL,
            price_cents INTEGER NOT NULL);
        CREATE TABLE customer (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL,
            region_id INTEGER NOT NULL REFERENCES region (id));
        CREATE TABLE customer_order (
            id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer (id),
            region_id INTEGER NOT NULL REFERENCES region (id), ordered_on TEXT NOT NULL,
            month TEXT NOT NULL, total_cents INTEGER NOT NULL);
        CREATE TABLE order_line (
            order_id INTEGER NOT NULL REFERENCES customer_order (id), line INTEGER NOT NULL,
            product_id INTEGER NOT NULL REFERENCES product (id), month TEXT NOT NULL,
            quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL,
            PRIMARY KEY (order_id, line)) WITHOUT ROWID;
        """

    // The last two hold every column that their report reads, so that it never touches the tables.
    private static let indexes = """
        CREATE INDEX order_by_customer ON customer_order (customer_id, month);
        CREATE INDEX order_by_region ON customer_order (region_id, month, total_cents);
        CREATE INDEX line_by_product ON order_line (product_id, month, quantity, price_cents);
        """

    private func insertMeta(_ database: Database) throws {
        let insert = try database.prepare("INSERT INTO meta VALUES ('made_from', ?)")
        try insert.bind(sample.description, at: 1)
        try insert.run()
    }

    private func insertRegions(_ database: Database) throws {
        let insert = try database.prepare("INSERT INTO region VALUES (?, ?, ?)")
        for (index, region) in SampleWords.regions.enumerated() {
            try insert.bind(index + 1, at: 1)
            try insert.bind(region.code, at: 2)
            try insert.bind(region.name, at: 3)
            try insert.run()
        }
    }

    private mutating func insertProducts(_ database: Database) throws -> [Product] {
        let insert = try database.prepare("INSERT INTO product VALUES (?, ?, ?, ?)")
        var products: [Product] = []
        for category in SampleWords.categories {
            for noun in category.nouns {
                for material in SampleWords.materials {
                    let cents = category.leastCents + random.below(20) * category.leastCents / 4
                    // Prices end in 99, as they do.
                    let product = Product(id: products.count + 1, cents: cents / 100 * 100 + 99)
                    try insert.bind(product.id, at: 1)
                    try insert.bind("\(material) \(noun)", at: 2)
                    try insert.bind(category.name, at: 3)
                    try insert.bind(product.cents, at: 4)
                    try insert.run()
                    products.append(product)
                }
            }
        }
        return products
    }

    private mutating func insertCustomers(_ database: Database) throws -> [Customer] {
        let insert = try database.prepare("INSERT INTO customer VALUES (?, ?, ?, ?)")
        let count = max(20, sample.orderCount / 20)
        var customers: [Customer] = []
        customers.reserveCapacity(count)
        for id in 1...count {
            let region = random.below(SampleWords.regions.count)
            let name =
                random.pick(SampleWords.firstNames) + " " + random.pick(SampleWords.lastNames)
            try insert.bind(id, at: 1)
            try insert.bind(name, at: 2)
            try insert.bind(random.pick(SampleWords.regions[region].cities), at: 3)
            try insert.bind(region + 1, at: 4)
            try insert.run()
            customers.append(Customer(id: id, region: region + 1))
        }
        return customers
    }

    private mutating func insertOrders(
        _ database: Database,
        customers: [Customer],
        products: [Product]
    ) throws {
        let insertOrder = try database.prepare(
            "INSERT INTO customer_order VALUES (?, ?, ?, ?, ?, ?)"
        )
        let insertLine = try database.prepare("INSERT INTO order_line VALUES (?, ?, ?, ?, ?, ?)")
        var order = 0
        for day in SampleCalendar(orderCount: sample.orderCount) {
            let date = day.date.description
            let month = day.date.month.description
            while order < day.lastOrder {
                order += 1
                let customer = random.pick(customers)
                var total = 0
                for line in 1...(1 + random.below(4)) {
                    // The lesser of two draws: some products sell far better than others.
                    let product = products[
                        min(random.below(products.count), random.below(products.count))
                    ]
                    let quantity = 1 + random.below(3)
                    total += quantity * product.cents
                    try insertLine.bind(order, at: 1)
                    try insertLine.bind(line, at: 2)
                    try insertLine.bind(product.id, at: 3)
                    try insertLine.bind(month, at: 4)
                    try insertLine.bind(quantity, at: 5)
                    try insertLine.bind(product.cents, at: 6)
                    try insertLine.run()
                }
                try insertOrder.bind(order, at: 1)
                try insertOrder.bind(customer.id, at: 2)
                try insertOrder.bind(customer.region, at: 3)
                try insertOrder.bind(date, at: 4)
                try insertOrder.bind(month, at: 5)
                try insertOrder.bind(total, at: 6)
                try insertOrder.run()
            }
        }
    }
}

extension SeededRandom {
    /// A number from 0 to below `bound`.
    ///
    /// The remainder has a bias that sample data doesn't mind. The standard library's way might change between
    /// releases, and with it the bytes.
    fileprivate mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(bound))
    }

    fileprivate mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }
}
