import Glibc

/// Whether `count` bytes at `start` are UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
@inline(never)
func isUTF8(_ start: UnsafePointer<UInt8>, _ count: Int) -> Bool {
  var position = start
  let end = start + count
  while position < end {
    if end - position >= 8, loadWord(position) & 0x8080_8080_8080_8080 == 0 {
      position += 8
      continue
    }
    let lead = position.pointee
    if lead < 0x80 {
      position += 1
      continue
    }
    let length: Int
    // The second byte's range excludes overlong forms, surrogates and what is beyond the last code point.
    var (low, high): (UInt8, UInt8) = (0x80, 0xbf)
    switch lead {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, low) = (3, 0xa0)
    case 0xed: (length, high) = (3, 0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, low) = (4, 0x90)
    case 0xf4: (length, high) = (4, 0x8f)
    case 0xf1...0xf3: length = 4
    default: return false
    }
    guard end - position >= length, position[1] >= low, position[1] <= high else { return false }
    for index in 2..<max(length, 2) where position[index] & 0xc0 != 0x80 { return false }
    position += length
  }
  return true
}

/// Whether bytes can be a database's text: UTF-8 without U+0000.
func isStorableText(_ start: UnsafePointer<UInt8>, _ count: Int) -> Bool {
  memchr(start, 0, count) == nil && isUTF8(start, count)
}
