// A calendar file (RFC 5545) of fire times: one event each, without a duration. Pure.

/** One fire time. */
export interface IcsEvent {
  /** The same for the same fire time of the same job, so that a second import changes the event and adds none. */
  uid: string
  /** An instant, as the API writes it. */
  at: string
  summary: string
  description?: string
  url?: string
}

/** Longest line in octets, without its end. */
const LINE_MAX = 75
const encoder = new TextEncoder()

/** The text of the file. `now` is the instant at which it is made. */
export function icsOf(name: string, events: readonly IcsEvent[], now: Date): string {
  const stamp = utc(now.toISOString())
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//Horolog//Dashboard//EN',
    'CALSCALE:GREGORIAN',
    `X-WR-CALNAME:${escaped(name)}`,
    ...events.flatMap((event) => eventLines(event, stamp)),
    'END:VCALENDAR',
  ]
  return lines.map((line) => `${folded(line)}\r\n`).join('')
}

function eventLines({ uid, at, summary, description, url }: IcsEvent, stamp: string): string[] {
  return [
    'BEGIN:VEVENT',
    `UID:${escaped(uid)}`,
    `DTSTAMP:${stamp}`,
    `DTSTART:${utc(at)}`,
    `SUMMARY:${escaped(summary)}`,
    ...(description ? [`DESCRIPTION:${escaped(description)}`] : []),
    ...(url ? [`URL:${url}`] : []),
    // A fire time keeps no person busy.
    'TRANSP:TRANSPARENT',
    'END:VEVENT',
  ]
}

/** "20261123T071500Z": the whole second of an instant, in UTC. */
function utc(instant: string): string {
  const iso = new Date(Date.parse(instant)).toISOString()
  return `${iso.slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

/** A value of the type TEXT: other control characters than line breaks and tabs may not stand in it. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\\;,]/g, (character) => `\\${character}`)
    .replaceAll(/\r\n|\r|\n/g, '\\n')
    .replaceAll(/(?!\t)\p{Cc}/gu, '')
}

/** A long line in pieces; each but the first begins with a space, and no character is divided. */
function folded(line: string): string {
  let folds = ''
  let octets = 0
  for (const character of line) {
    const size = encoder.encode(character).length
    if (octets + size > LINE_MAX) {
      folds += '\r\n '
      octets = 1
    }
    folds += character
    octets += size
  }
  return folds
}

/** A name for the file: letters, digits and hyphens of the name of the job. */
export function icsFileName(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
  return `${plain.slice(0, 60) || 'fire-times'}.ics`
}
