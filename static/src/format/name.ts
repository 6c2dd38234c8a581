// Names as they are.

/** Characters that turn the letters after them around: `gnp.exe` would be read as `exe.png`. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g

/** A text with a mark where a character would turn letters around. */
export function visible(text: string): string {
  return text.replace(TURNS, '\ufffd')
}
