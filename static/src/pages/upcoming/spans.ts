// The spans of the plan: a day by ten minutes, a week by hours.

import type { Span } from '@/filters/enums'

export type { Span }

export interface Stretch {
  from: string
  to: string
}

export const SPANS = {
  day: {
    label: '24 hours',
    hours: 24,
    row: 'hour',
    cellMinutes: 10,
    heads: [0, 10, 20, 30, 40, 50].map((minute) => `:${minute || '00'}`),
  },
  week: { label: '7 days', hours: 168, row: 'day', cellMinutes: 60, heads: [...Array(24).keys()].map(String) },
} as const satisfies Record<Span, object>
