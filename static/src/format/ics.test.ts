import { expect, test } from 'vitest'
import { icsFileName, icsOf } from './ics'

const NOW = new Date('2026-11-30T10:00:00.123Z')
const event = { uid: 'j/2026', at: '2026-12-01T09:00:00.500+01:00', summary: 'Report' }

test('a file has its frame and one event for each fire time, in UTC, with CRLF', () => {
  expect(icsOf('Report', [{ ...event, url: 'http://h/jobs/j' }], NOW)).toBe(
    [
      'BEGIN:VCALENDAR',
      'VERSION:2.0',
      'PRODID:-//Horolog//Dashboard//EN',
      'CALSCALE:GREGORIAN',
      'X-WR-CALNAME:Report',
      'BEGIN:VEVENT',
      'UID:j/2026',
      'DTSTAMP:20261130T100000Z',
      'DTSTART:20261201T080000Z',
      'SUMMARY:Report',
      'URL:http://h/jobs/j',
      'TRANSP:TRANSPARENT',
      'END:VEVENT',
      'END:VCALENDAR',
      '',
    ].join('\r\n'),
  )
})

test('a text is escaped, and begins no line of its own', () => {
  const text = icsOf('x', [{ ...event, summary: 'a,b;c\\d\r\nEND:VCALENDAR\u0000\u2028' }], NOW)
  expect(text).toContain('\r\nSUMMARY:a\\,b\\;c\\\\d\\nEND:VCALENDAR\u2028\r\n')
  expect(text.match(/^END:VCALENDAR/gm)).toHaveLength(1)
})

test('a long line is folded at 75 octets, between characters, and reads as before', () => {
  const summary = `${'é'.repeat(40)}😀${'漢字'.repeat(60)}`
  const text = icsOf('x', [{ ...event, summary }], NOW)
  const lines = text.split('\r\n')
  for (const line of lines) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(75)
  expect(lines.some((line) => /[\uD800-\uDBFF]$/.test(line))).toBe(false)
  expect(text.replaceAll('\r\n ', '')).toContain(`SUMMARY:${summary}\r\n`)
})

test('the name of a file has nothing that a path could have', () => {
  expect(icsFileName('Rapport / à 02:00')).toBe('rapport-à-02-00.ics')
  expect(icsFileName('../..')).toBe('fire-times.ics')
})
