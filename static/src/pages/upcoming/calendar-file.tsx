import { CalendarPlus } from 'lucide-react'
import { errorMessage, send } from '@/api/client'
import { AgendaDocument } from '@/api/generated'
import { Button } from '@/components/button'
import { useToast } from '@/components/toasts'
import { icsOf } from '@/format/ics'
import { count } from '@/format/number'
import { databaseNow } from '@/lib/clock'
import { download } from '@/lib/download'
import { agendaEvents } from '@/upcoming/events'
import type { ShownJobs } from './filter'
import { SPANS, type Span } from './spans'

/** Number of instants in the file: the API lists no more. */
const COUNT = 500
const HOUR = 3_600_000

/** The fire times of the plan as a calendar file. */
export function CalendarFileButton({ span, jobs }: { span: Span; jobs: ShownJobs }) {
  const toast = useToast()
  const save = async () => {
    const now = databaseNow()
    const to = new Date(now + SPANS[span].hours * HOUR).toISOString()
    try {
      const { agenda } = await send(AgendaDocument, { from: new Date(now).toISOString(), to, first: COUNT, ...jobs })
      const { entries, often, complete } = agenda
      download('fire-times.ics', 'text/calendar', [icsOf('Fire times', agendaEvents(agenda), new Date())])
      const left = often.reduce((sum, { jobs: some }) => sum + some, 0)
      if (left > 0 || !complete) {
        const cut = complete ? '' : `It has the first ${count(entries.length)} instants. `
        const frequent = left > 0 ? `Jobs with more than 12 fire times are left out: ${count(left)}.` : ''
        toast({ kind: 'done', message: `${cut}${frequent}`.trim() })
      }
    } catch (error) {
      toast({ kind: 'failed', message: errorMessage(error) })
    }
  }
  return (
    <Button icon={CalendarPlus} title="Save these fire times as a calendar file (ICS)" onClick={() => void save()}>
      Calendar file
    </Button>
  )
}
