import { Download, Square } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { errorMessage } from '@/api/client'
import type { AuditFilter } from '@/api/generated'
import { EXPORT_MAX, exportAuditLog } from '@/audit/export'
import { Button } from '@/components/button'
import { useToast } from '@/components/toasts'
import { count, counted } from '@/format/number'
import { databaseNow } from '@/lib/clock'
import { download } from '@/lib/download'

/** Exports what the filter shows; a second click stops it. */
export function ExportButton({ filter }: { filter: AuditFilter }) {
  const [read, setRead] = useState<number | null>(null)
  const stop = useRef<AbortController>(undefined)
  const toast = useToast()
  useEffect(() => () => stop.current?.abort(), [])
  const start = async () => {
    const controller = new AbortController()
    stop.current = controller
    setRead(0)
    try {
      const { lines, more } = await exportAuditLog(filter, { signal: controller.signal, onProgress: setRead })
      const at = new Date(databaseNow()).toISOString().slice(0, 19).replaceAll(':', '-')
      download(
        `horolog-audit-log-${at}.jsonl`,
        'application/jsonl',
        lines.map((line) => `${line}\n`),
      )
      const rest = `These are the newest ${count(EXPORT_MAX)}; “horolog audit-log export” writes all.`
      toast({ kind: 'done', message: more ? rest : `${counted(lines.length, 'entry', 'entries')} exported.` })
    } catch (error) {
      if (!controller.signal.aborted) toast({ kind: 'failed', message: errorMessage(error) })
    } finally {
      setRead(null)
    }
  }
  if (read !== null) {
    return (
      <Button icon={Square} onClick={() => stop.current?.abort()}>
        Stop the export ({count(read)})
      </Button>
    )
  }
  return (
    <Button icon={Download} title="The entries of the filter as JSON lines" onClick={() => void start()}>
      Export
    </Button>
  )
}
