// The rules of a calendar, in words and as the texts of the form.

import type { CalendarInput, CalendarRowFragment, Weekday } from '@/api/generated'
import { enumLabel } from '@/components/status'

export const WEEKDAYS: Weekday[] = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY']

export interface CalendarValues {
  name: string
  description: string
  timeZone: string
  excludeWeekdays: Weekday[]
  /** Separated by commas or lines. */
  excludeDates: string
  includeDates: string
  /** Lines such as "22:00-06:00", or "22:00-06:00 Fri, Sat" for windows that start on these days. */
  excludeWindows: string
  includeWindows: string
  /** Rules that the fields above cannot express exactly. */
  original: Pick<CalendarRowFragment, 'description' | 'excludeWeekdays' | 'includeWeekdays'>
}

type Windows = CalendarRowFragment['excludeWindows']

/** The form of a calendar, or of a new one. */
export function valuesOf(calendar: CalendarRowFragment | null, zone: string): CalendarValues {
  const lines = (windows: Windows) =>
    windows.map(({ from, to, weekdays }) => [`${from}-${to}`, days(weekdays)].filter(Boolean).join(' ')).join('\n')
  const original = {
    description: calendar?.description ?? null,
    excludeWeekdays: calendar?.excludeWeekdays ?? [],
    includeWeekdays: calendar?.includeWeekdays ?? [],
  }
  return {
    name: calendar?.name ?? '',
    description: calendar?.description ?? '',
    timeZone: calendar?.timeZone ?? zone,
    excludeWeekdays: closedDays(original),
    excludeDates: calendar?.excludeDates.join('\n') ?? '',
    includeDates: calendar?.includeDates.join('\n') ?? '',
    excludeWindows: lines(calendar?.excludeWindows ?? []),
    includeWindows: lines(calendar?.includeWindows ?? []),
    original,
  }
}

/**
 * The form has excluded weekdays; a calendar that includes weekdays excludes all others, and those that it excludes
 * too.
 */
function closedDays({ excludeWeekdays, includeWeekdays }: CalendarValues['original']): Weekday[] {
  const left = includeWeekdays.length > 0 ? includeWeekdays : WEEKDAYS
  return WEEKDAYS.filter((day) => !left.includes(day) || excludeWeekdays.includes(day))
}

/** Weekdays without a change in the form stay as in the calendar. */
function weekdaysOf({
  excludeWeekdays,
  original,
}: CalendarValues): Pick<CalendarInput, 'excludeWeekdays' | 'includeWeekdays'> {
  const before = closedDays(original)
  const same = before.length === excludeWeekdays.length && before.every((day) => excludeWeekdays.includes(day))
  if (!same) return { excludeWeekdays, includeWeekdays: [] }
  return { excludeWeekdays: original.excludeWeekdays, includeWeekdays: original.includeWeekdays }
}

/** The input of the API. */
export function inputOf(values: CalendarValues): CalendarInput {
  const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)
  const windows = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.trim())
      .map((line) => {
        const [span = '', ...names] = list(line)
        const [from = '', to = ''] = span.split('-')
        return { from, to, weekdays: names.map(weekdayOf) }
      })
  return {
    name: values.name,
    description:
      values.description === (values.original.description ?? '')
        ? values.original.description
        : values.description.trim() || null,
    timeZone: values.timeZone.trim() || null,
    ...weekdaysOf(values),
    excludeDates: list(values.excludeDates),
    includeDates: list(values.includeDates),
    excludeWindows: windows(values.excludeWindows),
    includeWindows: windows(values.includeWindows),
  }
}

/** "Closed: Saturday, Sunday, 12-25" and "Open only 09:00–17:00"; of many dates some, or all on request. */
export function describeRules(calendar: CalendarRowFragment, all = false): string[] {
  const some = (dates: string[]) => (all ? dates : firstOf(dates))
  const said = (windows: Windows) =>
    windows.map(({ from, to, weekdays }) => `${from}–${to}${weekdays.length > 0 ? ` (${days(weekdays)})` : ''}`)
  const closed = [
    ...calendar.excludeWeekdays.map(enumLabel),
    ...some(calendar.excludeDates),
    ...said(calendar.excludeWindows),
  ]
  const only = [...calendar.includeWeekdays.map(enumLabel), ...said(calendar.includeWindows)]
  const lines = []
  if (only.length > 0) lines.push(`Open only ${only.join(', ')}`)
  if (closed.length > 0) lines.push(`Closed: ${closed.join(', ')}`)
  if (calendar.includeDates.length > 0) lines.push(`Open all the same: ${some(calendar.includeDates).join(', ')}`)
  return lines.length > 0 ? lines : ['Excludes nothing']
}

/** "Fri" as FRIDAY; another text is sent unchanged, and the server refuses it. */
function weekdayOf(name: string): Weekday {
  return WEEKDAYS.find((day) => name.length > 1 && day.startsWith(name.toUpperCase())) ?? (name as Weekday)
}

function days(weekdays: Weekday[]): string {
  return weekdays.map((day) => enumLabel(day).slice(0, 3)).join(', ')
}

/** Whether `describeRules` leaves dates out. */
export function isLong({ excludeDates, includeDates }: CalendarRowFragment): boolean {
  return excludeDates.length > DATES_SHOWN || includeDates.length > DATES_SHOWN
}

const DATES_SHOWN = 4

function firstOf(dates: string[]): string[] {
  return dates.length > DATES_SHOWN ? [...dates.slice(0, 3), `${dates.length - 3} more dates`] : dates
}
