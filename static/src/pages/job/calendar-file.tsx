import { CalendarPlus } from 'lucide-react'
import { errorMessage, send } from '@/api/client'
import { FireTimesDocument } from '@/api/generated'
import { IconButton } from '@/components/button'
import { useToast } from '@/components/toasts'
import { icsFileName, icsOf } from '@/format/ics'
import { download } from '@/lib/download'
import { fireTimeEvent } from '@/upcoming/events'

/** Number of fire times in the file. */
const COUNT = 200

/** The next fire times of a job as a calendar file. */
export function JobCalendarFile({ job: { id, name } }: { job: { id: string; name: string } }) {
  const toast = useToast()
  const save = async () => {
    try {
      const { job } = await send(FireTimesDocument, { id, count: COUNT })
      const events = (job?.nextFireTimes ?? []).map((at) => fireTimeEvent({ id, name }, at))
      download(icsFileName(name), 'text/calendar', [icsOf(name, events, new Date())])
    } catch (error) {
      toast({ kind: 'failed', message: errorMessage(error) })
    }
  }
  return (
    <IconButton
      icon={CalendarPlus}
      label={`Save the next ${COUNT} fire times as a calendar file`}
      className="-my-1.5"
      onClick={() => void save()}
    />
  )
}
