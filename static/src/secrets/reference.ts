// References to secrets in the texts of a job. Pure.

import { jsonFault } from '@/lib/json'

/** The text that stands for the value of a secret. */
export const referenceTo = (name: string) => `\${secret:${name}}`

/** JSON with a reference at a place: in quotes where the text is no JSON without them. `empty` is for an empty text. */
export function withReference(text: string, at: number, name: string, empty: (reference: string) => string): string {
  const reference = referenceTo(name)
  if (!text.trim()) return empty(reference)
  const put = (part: string) => text.slice(0, at) + part + text.slice(at)
  const quoted = put(`"${reference}"`)
  return jsonFault(put(reference)) && !jsonFault(quoted) ? quoted : put(reference)
}

/** A value that signs requests: `whsec_` and 32 random bytes in base64. */
export function generateSigningSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
}

/** The hosts of a text: separated by commas, white space or lines. */
export function hostsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}
