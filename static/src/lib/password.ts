// Generated passwords: random letters and digits that cannot be taken for one another.

const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const GROUPS = 4
const GROUP_LENGTH = 6
/** Larger bytes are thrown away: with them some letters would be likelier. */
const BYTE_MAX = 256 - (256 % LETTERS.length)

/** A password of 140 random bits, in four groups. */
export function generatePassword(): string {
  return Array.from({ length: GROUPS }, group).join('-')
}

function group(): string {
  let text = ''
  while (text.length < GROUP_LENGTH) {
    for (const byte of crypto.getRandomValues(new Uint8Array(GROUP_LENGTH))) {
      if (byte < BYTE_MAX && text.length < GROUP_LENGTH) text += LETTERS[byte % LETTERS.length]
    }
  }
  return text
}
