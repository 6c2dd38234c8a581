import { expect, test } from 'vitest'
import { describeSchedule, zoneOf } from './schedule'

test.each([
  ['0 9 * * 1-5', 'At 09:00, Monday through Friday'],
  ['0 0 9 ? * 2-6', 'At 09:00, Monday through Friday'],
  ['0 0 9 LW * ?', 'At 09:00, on the last weekday of the month'],
  ['@daily', 'Every day at 00:00'],
  ['0 9 * * THU', 'At 09:00, only on Thursday'],
  ['0\u00a09 * * THU', 'At 09:00, only on Thursday'],
  ['0 9 * * MON#1,MON#3', 'At 09:00, on the first Monday and third Monday of the month'],
])('cron %s is "%s"', (cronExpression, words) => {
  expect(describeSchedule({ scheduleType: 'CRON', cronExpression })).toBe(words)
})

test.each([
  'H H(0-6) * * *',
  'H/15 * * * *',
  '0 9 13 * FRI',
  '0 9 */2 * MON',
  '0 9 13 * +FRI',
  '0 9 * * MON-FRI#2',
  'nonsense',
])('%s has no words here and is shown as it is', (cronExpression) => {
  expect(describeSchedule({ scheduleType: 'CRON', cronExpression })).toBe(cronExpression)
})

test('intervals are said in their largest units', () => {
  expect(describeSchedule({ scheduleType: 'FIXED_RATE', intervalSeconds: 90 })).toBe('Every 1 min 30 s')
  expect(describeSchedule({ scheduleType: 'FIXED_DELAY', intervalSeconds: 7_200 })).toBe('2 h after each run')
  expect(describeSchedule({ scheduleType: 'ONCE', startAt: '2026-11-23T07:15:00.000Z' })).toBe('Once')
})

test('only a job whose times a clock decides has a zone', () => {
  expect(zoneOf({ scheduleType: 'CRON', timeZone: 'Asia/Tokyo' })).toBe('Asia/Tokyo')
  expect(zoneOf({ scheduleType: 'FIXED_RATE', timeZone: 'UTC' })).toBeUndefined()
})
