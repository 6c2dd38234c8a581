import { expect, test } from 'vitest'
import { scheduleWords, zoneOf } from './schedule'

test('the words of the server start a line', () => {
  expect(scheduleWords({ scheduleDescription: 'every 5 minutes' })).toBe('Every 5 minutes')
  expect(scheduleWords({ scheduleDescription: '30 seconds after each execution' })).toBe(
    '30 seconds after each execution',
  )
})

test('only a job whose times a clock decides has a zone', () => {
  expect(zoneOf({ scheduleType: 'CRON', timeZone: 'Asia/Tokyo' })).toBe('Asia/Tokyo')
  expect(zoneOf({ scheduleType: 'FIXED_RATE', timeZone: 'UTC' })).toBeUndefined()
})
