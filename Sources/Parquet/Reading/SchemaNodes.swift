/// A node of a file's schema with the levels that its values have in this file (Parquet format, "Nested Encoding").
struct SchemaNode: Sendable {
  indirect enum Kind: Sendable {
    /// The leaf at this index.
    case leaf(Int)
    case group([SchemaNode])
    /// A list whose repeated node has the definition level `repeated`.
    case list(SchemaNode, repeated: Int)
    case map(key: SchemaNode, value: SchemaNode, repeated: Int)
  }

  var name: String
  var fieldID: Int?
  var isOptional: Bool
  /// The definition level of a value that is present.
  var definition: Int
  /// How many repeated nodes are above.
  var repetition: Int
  /// The definition level of the innermost repeated node above, 0 without one: below it there is no value to hold.
  var slotDefinition: Int
  var kind: Kind
}

/// What is needed to read a leaf's chunks.
struct LeafInfo: Sendable {
  var leaf: ParquetLeaf
  var physical: PhysicalType
  /// Bytes of a `FIXED_LEN_BYTE_ARRAY`.
  var length: Int
  var slotDefinition: Int
  /// Whether a node above is optional or repeated, so that the nodes above need this leaf's levels.
  var isNested: Bool
  /// Whether bounds of this leaf's values have the order of its type.
  var hasTypeOrder: Bool
}

/// A schema reconstructed from a footer's flat list of elements.
struct SchemaNodes: Sendable {
  private(set) var fields: [SchemaNode] = []
  private(set) var leaves: [LeafInfo] = []

  /// Levels are held in a byte; schemas that come near this limit are not made by anyone.
  private static let maximumDepth = 100

  /// A schema element with its children, before lists and maps are recognised.
  private struct Tree {
    var element: SchemaElement
    var children: [Tree] = []
    var definition: Int
    var repetition: Int
    var slotDefinition: Int
    /// The slot of what is above; that of a list which a repeated node is by itself.
    var outerSlot = 0
    var leaf: Int?
  }

  init(_ elements: [SchemaElement]) throws(ParquetError) {
    guard let root = elements.first else { throw ParquetError(.corrupt, "the footer has no schema") }
    var next = 1
    let parent = Tree(element: root, definition: 0, repetition: 0, slotDefinition: 0)
    for _ in 0..<max(0, root.childCount) {
      let tree = try build(elements, &next, below: parent, path: [], isNested: false)
      if let field = Self.field(tree) { fields.append(field) }
    }
    guard next == elements.count else {
      throw ParquetError(.corrupt, "the schema has \(elements.count) elements, its tree has \(next)")
    }
  }

  private mutating func build(
    _ elements: [SchemaElement], _ next: inout Int, below parent: Tree, path: [String], isNested: Bool
  ) throws(ParquetError) -> Tree {
    guard next < elements.count else { throw ParquetError(.corrupt, "the schema's tree ends early") }
    guard path.count < Self.maximumDepth else {
      throw ParquetError(.unsupported, "the schema is nested deeper than \(Self.maximumDepth)")
    }
    let element = elements[next]
    next += 1
    var tree = Tree(
      element: element, definition: parent.definition, repetition: parent.repetition,
      slotDefinition: parent.slotDefinition, outerSlot: parent.slotDefinition)
    if element.repetition != .required { tree.definition += 1 }
    if element.repetition == .repeated {
      tree.repetition += 1
      tree.slotDefinition = tree.definition
    }
    let path = path + [element.name]
    if let physical = element.physical {
      guard element.childCount == 0 else {
        throw ParquetError(.corrupt, "column \(path.joined(separator: ".")) has a type and children")
      }
      guard element.length >= 0, physical != .fixedLengthByteArray || element.length > 0 else {
        throw ParquetError(.corrupt, "column \(path.joined(separator: ".")) has values of \(element.length) bytes")
      }
      let type = LeafType.reading(element, physical)
      tree.leaf = leaves.count
      leaves.append(
        LeafInfo(
          leaf: ParquetLeaf(
            path: path, type: type.type, fieldID: element.fieldID, maximumDefinitionLevel: tree.definition,
            maximumRepetitionLevel: tree.repetition),
          physical: physical, length: element.length, slotDefinition: tree.slotDefinition,
          isNested: isNested || element.repetition == .repeated, hasTypeOrder: type.hasTypeOrder))
      return tree
    }
    for _ in 0..<max(0, element.childCount) {
      tree.children.append(
        try build(
          elements, &next, below: tree, path: path, isNested: isNested || element.repetition != .required))
    }
    return tree
  }

  /// A field; one that is repeated without being part of a list is a list itself (Parquet format, "Nested Types").
  /// Groups without leaves have no values in the file and are left out.
  private static func field(_ tree: Tree) -> SchemaNode? {
    guard tree.element.repetition == .repeated else { return single(tree) }
    guard var element = single(tree) else { return nil }
    element.name = "element"
    element.fieldID = nil
    return SchemaNode(
      name: tree.element.name, fieldID: tree.element.fieldID, isOptional: false, definition: tree.definition - 1,
      repetition: tree.repetition - 1, slotDefinition: tree.outerSlot,
      kind: .list(element, repeated: tree.definition))
  }

  /// What one value of the node is.
  private static func single(_ tree: Tree) -> SchemaNode? {
    var node = SchemaNode(
      name: tree.element.name, fieldID: tree.element.fieldID, isOptional: tree.element.repetition == .optional,
      definition: tree.definition, repetition: tree.repetition, slotDefinition: tree.slotDefinition, kind: .group([]))
    if let leaf = tree.leaf {
      node.kind = .leaf(leaf)
      return node
    }
    if let only = tree.children.first, tree.children.count == 1, only.element.repetition == .repeated {
      switch tree.element.annotation {
      case .list:
        guard let element = listElement(only, listName: tree.element.name) else { return nil }
        node.kind = .list(element, repeated: only.definition)
        return node
      case .map, .mapKeyValue:
        if let kind = mapKind(only) {
          node.kind = kind
          return node
        }
      default: break
      }
    }
    let children = tree.children.compactMap { field($0) }
    if children.isEmpty { return nil }
    node.kind = .group(children)
    return node
  }

  /// The element of a list, by the rules for lists of old writers (Parquet format, "Backward-compatibility rules").
  private static func listElement(_ repeated: Tree, listName: String) -> SchemaNode? {
    let name = repeated.element.name
    var element: SchemaNode?
    if repeated.leaf == nil, repeated.children.count == 1, let child = repeated.children.first,
      child.element.repetition != .repeated, name != "array", name != listName + "_tuple"
    {
      element = field(child)
    } else {
      element = single(repeated)
    }
    element?.name = "element"
    return element
  }

  /// A map's key and value, which are known by their place; a map without values is a list of keys.
  private static func mapKind(_ repeated: Tree) -> SchemaNode.Kind? {
    guard repeated.leaf == nil, (1...2).contains(repeated.children.count),
      var key = field(repeated.children[0])
    else { return nil }
    key.name = "key"
    guard repeated.children.count == 2 else {
      key.name = "element"
      return .list(key, repeated: repeated.definition)
    }
    guard var value = field(repeated.children[1]) else { return nil }
    value.name = "value"
    return .map(key: key, value: value, repeated: repeated.definition)
  }
}
