// Planned fire times as events of a calendar file. Pure, but for the address of the page.

import { BASE } from '@/api/base'
import type { AgendaQuery } from '@/api/generated'
import type { IcsEvent } from '@/format/ics'

interface NamedJob {
  id: string
  name: string
}

/** One fire time of one job. */
export function fireTimeEvent({ id, name }: NamedJob, at: string): IcsEvent {
  return {
    uid: `${id}/${new Date(at).toISOString()}`,
    at,
    summary: name,
    url: new URL(`${BASE}jobs/${id}`, window.location.origin).href,
  }
}

/** The fire times of an agenda; of many jobs at one instant, those without a name are one event. */
export function agendaEvents({ entries }: Pick<AgendaQuery['agenda'], 'entries'>): IcsEvent[] {
  return entries.flatMap(({ fireTime, jobs, named }) => {
    const more = jobs - named.length
    const rest: IcsEvent = { uid: `more/${new Date(fireTime).toISOString()}`, at: fireTime, summary: `${more} more` }
    return [...named.map((job) => fireTimeEvent(job, fireTime)), ...(more > 0 ? [rest] : [])]
  })
}
