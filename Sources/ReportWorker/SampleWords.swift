/// What the sample data is made of.
///
/// Any change here changes the bytes: raise `SampleDatabase.schemaVersion` with it.
enum SampleWords {
    struct Region {
        let code: String
        let name: String
        let cities: [String]
    }

    struct Category {
        let name: String
        let leastCents: Int
        let nouns: [String]
    }

    static let regions = [
        Region(
            code: "eu",
            name: "Europe",
            cities: ["Zürich", "Lyon", "Porto", "Gdańsk", "Malmö", "Graz", "Ghent", "Bergen"]
        ),
        Region(
            code: "us",
            name: "United States",
            cities: ["Austin", "Boise", "Denver", "Portland", "Raleigh", "Tucson", "Madison"]
        ),
        Region(
            code: "ap",
            name: "Asia and Pacific",
            cities: ["Osaka", "Busan", "Hanoi", "Perth", "Pune", "Cebu", "Taichung", "Auckland"]
        ),
    ]

    static let categories = [
        Category(
            name: "Kitchen",
            leastCents: 900,
            nouns: ["Kettle", "Pan", "Teapot", "Bowl", "Jug", "Tray", "Grinder", "Whisk"]
        ),
        Category(
            name: "Office",
            leastCents: 1_400,
            nouns: ["Lamp", "Desk Tidy", "Clock", "Letter Rack", "Bookend", "Stool"]
        ),
        Category(
            name: "Garden",
            leastCents: 2_300,
            nouns: ["Bench", "Planter", "Lantern", "Watering Can", "Trellis", "Bird Bath"]
        ),
        Category(
            name: "Travel",
            leastCents: 3_100,
            nouns: ["Case", "Flask", "Luggage Tag, Large", "Sewing Kit", "Radio", "Umbrella"]
        ),
    ]

    static let materials = [
        "Ash", "Bamboo", "Brass", "Ceramic", "Copper", "Cork", "Enamel", "Glass", "Linen", "Oak",
        "Steel", "Walnut",
    ]

    static let firstNames = [
        "Ada", "Amir", "Anna", "Beatriz", "Chen", "Clara", "Daiki", "Elif", "Emil", "Farah",
        "Grace",
        "Hana", "Hugo", "Ines", "Ivan", "Jack", "Jana", "Kofi", "Lena", "Liam", "Mai", "Marta",
        "Mei",
        "Nils", "Nora", "Omar", "Paula", "Priya", "Rosa", "Samuel", "Sofia", "Tariq", "Thea", "Tom",
        "Uma", "Viktor", "Wen", "Yara", "Yuki", "Zoë",
    ]

    static let lastNames = [
        "Abe", "Almeida", "Bauer", "Berg", "Brown", "Carter", "Costa", "Dahl", "Dubois", "Evans",
        "Fischer", "Garcia", "Gupta", "Haas", "Ito", "Jensen", "Kaya", "Keller", "Khan", "Kim",
        "Kowalska", "Larsen", "Lee", "Lopez", "Martin", "Meier", "Moreau", "Nakamura", "Nguyen",
        "Novak", "O'Brien", "Okafor", "Park", "Patel", "Peeters", "Reyes", "Rossi", "Santos",
        "Sato",
        "Silva", "Singh", "Smith", "Steiner", "Tanaka", "Tran", "Wang", "Weber", "Wilson", "Yilmaz",
        "Zhang",
    ]
}
