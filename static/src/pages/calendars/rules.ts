// A calendar's rules in words, and as the form's texts.

import type { CalendarInput, CalendarRowFragment, Weekday } from '@/api/generated'
import { words } from '@/components/status'

export const WEEKDAYS: Weekday[] = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY']

export interface CalendarValues {
  name: string
  description: string
  timeZone: string
  excludeWeekdays: Weekday[]
  /** Separated by commas or lines. */
  excludeDates: string
  includeDates: string
  /** Lines such as "22:00-06:00", or "22:00-06:00 Fri, Sat" for those that begin on these days. */
  excludeWindows: string
  includeWindows: string
}

type Windows = CalendarRowFragment['excludeWindows']

/** What the form shows of a calendar, or of a new one. */
export function valuesOf(calendar: CalendarRowFragment | null, zone: string): CalendarValues {
  const lines = (windows: Windows) =>
    windows.map(({ from, to, weekdays }) => [`${from}-${to}`, days(weekdays)].filter(Boolean).join(' ')).join('\n')
  // The form has what is excluded; a calendar that includes weekdays excludes the others.
  const included = calendar?.includeWeekdays ?? []
  const excluded = included.length > 0 ? WEEKDAYS.filter((day) => !included.includes(day)) : calendar?.excludeWeekdays
  return {
    name: calendar?.name ?? '',
    description: calendar?.description ?? '',
    timeZone: calendar?.timeZone ?? zone,
    excludeWeekdays: excluded ?? [],
    excludeDates: calendar?.excludeDates.join('\n') ?? '',
    includeDates: calendar?.includeDates.join('\n') ?? '',
    excludeWindows: lines(calendar?.excludeWindows ?? []),
    includeWindows: lines(calendar?.includeWindows ?? []),
  }
}

/** What the API is told. */
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
    description: values.description.trim() || null,
    timeZone: values.timeZone.trim() || null,
    excludeWeekdays: values.excludeWeekdays,
    excludeDates: list(values.excludeDates),
    includeDates: list(values.includeDates),
    excludeWindows: windows(values.excludeWindows),
    includeWindows: windows(values.includeWindows),
  }
}

/** "Closed: Saturday, Sunday; 3 dates" and "Open only 09:00–17:00". */
export function inWords(calendar: CalendarRowFragment): string[] {
  const said = (windows: Windows) =>
    windows.map(({ from, to, weekdays }) => `${from}–${to}${weekdays.length > 0 ? ` (${days(weekdays)})` : ''}`)
  const closed = [
    ...calendar.excludeWeekdays.map(words),
    ...some(calendar.excludeDates),
    ...said(calendar.excludeWindows),
  ]
  const only = [...calendar.includeWeekdays.map(words), ...said(calendar.includeWindows)]
  const lines = []
  if (only.length > 0) lines.push(`Open only ${only.join(', ')}`)
  if (closed.length > 0) lines.push(`Closed: ${closed.join(', ')}`)
  if (calendar.includeDates.length > 0) lines.push(`Open all the same: ${some(calendar.includeDates).join(', ')}`)
  return lines.length > 0 ? lines : ['Closes nothing']
}

/** "Fri" as FRIDAY; what is no day stays as it is, and the server says so. */
function weekdayOf(name: string): Weekday {
  return WEEKDAYS.find((day) => name.length > 1 && day.startsWith(name.toUpperCase())) ?? (name as Weekday)
}

function days(weekdays: Weekday[]): string {
  return weekdays.map((day) => words(day).slice(0, 3)).join(', ')
}

function some(dates: string[]): string[] {
  return dates.length > 4 ? [...dates.slice(0, 3), `${dates.length - 3} more dates`] : dates
}
