import { describe, expect, it } from 'vitest'
import type { CalendarRowFragment } from '@/api/generated'
import { describeRules, inputOf, isLong, valuesOf } from './rules'

const HOLIDAYS: CalendarRowFragment = {
  name: 'holidays',
  namespace: 'default',
  description: null,
  timeZone: 'Europe/Berlin',
  version: 0,
  jobs: 2,
  updatedAt: '2026-11-24T10:00:00.000Z',
  excludeDates: ['12-25', '12-26', '01-01', '05-01', '10-03'],
  includeDates: ['2026-12-26'],
  excludeWeekdays: ['SUNDAY'],
  includeWeekdays: [],
  excludeWindows: [
    { from: '22:00', to: '06:00', weekdays: [] },
    { from: '12:00', to: '13:00', weekdays: ['FRIDAY', 'SATURDAY'] },
  ],
  includeWindows: [],
}

describe('a calendar', () => {
  it('comes out of the form as it went in', () => {
    expect(inputOf(valuesOf(HOLIDAYS, 'UTC'))).toMatchObject({
      name: 'holidays',
      timeZone: 'Europe/Berlin',
      excludeDates: HOLIDAYS.excludeDates,
      includeDates: ['2026-12-26'],
      excludeWeekdays: ['SUNDAY'],
      excludeWindows: HOLIDAYS.excludeWindows,
    })
  })

  it('says in words what it excludes', () => {
    expect(describeRules(HOLIDAYS)).toEqual([
      'Closed: Sunday, 12-25, 12-26, 01-01, 2 more dates, 22:00–06:00, 12:00–13:00 (Fri, Sat)',
      'Open all the same: 2026-12-26',
    ])
    expect(describeRules(HOLIDAYS, true)[0]).toContain('12-25, 12-26, 01-01, 05-01, 10-03')
    expect([isLong(HOLIDAYS), isLong({ ...HOLIDAYS, excludeDates: [] })]).toEqual([true, false])
  })

  it('that includes weekdays is shown as excluding the others', () => {
    const values = valuesOf({ ...HOLIDAYS, excludeWeekdays: [], includeWeekdays: ['MONDAY', 'TUESDAY'] }, 'UTC')
    expect(values.excludeWeekdays).toEqual(['WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'])
  })

  it('that includes weekdays and excludes one of them keeps both, until somebody ticks a weekday', () => {
    const weekend = { ...HOLIDAYS, includeWeekdays: ['SATURDAY' as const, 'SUNDAY' as const] }
    const values = valuesOf(weekend, 'UTC')
    expect(values.excludeWeekdays).toEqual(['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SUNDAY'])
    expect(inputOf(values)).toMatchObject({ excludeWeekdays: ['SUNDAY'], includeWeekdays: ['SATURDAY', 'SUNDAY'] })
    const ticked = { ...values, excludeWeekdays: values.excludeWeekdays.filter((day) => day !== 'SUNDAY') }
    expect(inputOf(ticked)).toMatchObject({ excludeWeekdays: ticked.excludeWeekdays, includeWeekdays: [] })
  })
})
