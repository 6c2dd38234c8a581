// Names, made safe to read.

/** Characters that reverse the letters after them: `gnp.exe` would read as `exe.png`. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g

/** A text with a visible mark for each character that reverses letters. */
export function visible(text: string): string {
  return text.replace(TURNS, '\ufffd')
}
