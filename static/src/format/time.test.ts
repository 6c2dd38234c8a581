import { expect, test } from 'vitest'
import {
  exactTime,
  fromLocalInput,
  onTheirClock,
  relativeTime,
  shortTime,
  timeFault,
  toLocalInput,
  viewerZone,
} from './time'

const NOW = Date.parse('2026-11-23T07:15:00.000Z')

test.each([
  ['2026-11-23T07:15:00.400Z', 'now'],
  ['2026-11-23T07:15:42.000Z', 'in 42 sec.'],
  ['2026-11-23T07:18:59.000Z', 'in 3 min.'],
  ['2026-11-23T05:10:00.000Z', '2 hr. ago'],
  ['2026-11-20T07:15:00.000Z', '3 days ago'],
  ['not a time', 'not a time'],
])('%s is %s', (instant, words) => {
  expect(relativeTime(instant, NOW)).toBe(words)
})

test('an instant is exact in the zone that is asked for', () => {
  expect(exactTime('2026-11-23T07:15:00.000Z', 'Europe/Berlin')).toBe('Mon, 23 Nov 2026, 08:15:00 CET')
  expect(exactTime('2026-07-01T12:00:00.000Z', 'America/New_York')).toMatch(/^Wed, 1 Jul 2026, 08:00:00/)
})

test('a zone that the browser does not know is shown in UTC, and says so', () => {
  expect(exactTime('2026-11-23T07:15:00.000Z', 'Mars/Olympus')).toBe('Mon, 23 Nov 2026, 07:15:00 UTC')
})

test('a short time has seconds today and a date otherwise', () => {
  expect(shortTime('2026-11-23T22:30:05.000Z', 'UTC', NOW)).toBe('22:30:05')
  expect(shortTime('2026-11-23T23:30:05.000Z', 'Europe/Berlin', NOW)).toBe('24 Nov, 00:30')
})

test("another clock's day is said where it is another one", () => {
  const instant = '2026-11-23T23:30:00.000Z'
  const here = exactTime(instant, viewerZone)
  expect(onTheirClock(instant, 'Asia/Tokyo')).toBe(here.includes('24 Nov') ? '08:30 Tokyo' : '24 Nov, 08:30 Tokyo')
})

test('a field for a time and the address say the same instant', () => {
  const instant = '2026-11-23T07:15:30.000Z'
  expect(fromLocalInput(toLocalInput(instant))).toBe(instant)
  expect(fromLocalInput('')).toBeUndefined()
})

test('a time is read as people write it, on the clock of the viewer unless it has a zone', () => {
  const at = (...parts: [number, number, number, number?, number?, number?]) => new Date(...parts).toISOString()
  expect(fromLocalInput('2026-11-24 22:05')).toBe(at(2026, 10, 24, 22, 5))
  expect(fromLocalInput(' 2026-1-4T9:05:30 ')).toBe(at(2026, 0, 4, 9, 5, 30))
  expect(fromLocalInput('2026-11-24')).toBe(at(2026, 10, 24))
  expect(fromLocalInput('2026-11-24T10:00:00+05:45')).toBe('2026-11-24T04:15:00.000Z')
  for (const none of ['tomorrow', '2026-02-31 10:00', '2026-11-24 24:30', '11/24/2026']) {
    expect(fromLocalInput(none)).toBeUndefined()
    expect(timeFault(none)).toBe('Write a time as 2026-11-24 10:00')
  }
  expect(timeFault(' ')).toBeUndefined()
})
