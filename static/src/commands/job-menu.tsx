import { useNavigate } from '@tanstack/react-router'
import { Activity, Copy, Ellipsis, FilePen, Pause, Pencil, Play, Trash2, Zap } from 'lucide-react'
import { IconButton } from '@/components/button'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { type Commanded, useJobCommands } from './jobs'

/** All commands about one job. */
export function JobMenu({ job, onDeleted }: { job: Commanded; onDeleted?: () => void }) {
  const commands = useJobCommands(job)
  const navigate = useNavigate()
  const params = { jobId: job.id }
  return (
    <Menu trigger={<IconButton icon={Ellipsis} label={`More for ${job.name}`} />}>
      <MenuItem icon={Zap} disabled={job.status === 'DELETED'} onSelect={() => void commands.runNow()}>
        Run now
      </MenuItem>
      <MenuItem icon={FilePen} disabled={job.status === 'DELETED'} onSelect={() => void commands.runWith()}>
        Run with another payload…
      </MenuItem>
      {job.missedFireTime && (
        <MenuItem icon={Zap} onSelect={() => void commands.resumeAndRun()}>
          Resume and run
        </MenuItem>
      )}
      {job.status === 'PAUSED' ? (
        <MenuItem icon={Play} onSelect={() => void commands.resume()}>
          Resume
        </MenuItem>
      ) : (
        <MenuItem
          icon={Pause}
          disabled={job.status === 'DELETED' || job.hasEnded}
          onSelect={() => void commands.pause()}
        >
          Pause
        </MenuItem>
      )}
      <MenuItem icon={Activity} onSelect={() => void navigate({ to: '/executions', search: { job: job.id } })}>
        View executions
      </MenuItem>
      <MenuLine />
      <MenuItem
        icon={Pencil}
        disabled={job.status === 'DELETED'}
        onSelect={() => void navigate({ to: '/jobs/$jobId/edit', params })}
      >
        Edit
      </MenuItem>
      <MenuItem icon={Copy} onSelect={() => void navigate({ to: '/jobs/new', search: { clone: job.id } })}>
        Clone
      </MenuItem>
      <MenuLine />
      <MenuItem
        icon={Trash2}
        danger
        disabled={job.status === 'DELETED'}
        onSelect={() => void commands.remove().then((gone) => gone && onDeleted?.())}
      >
        Delete
      </MenuItem>
    </Menu>
  )
}
