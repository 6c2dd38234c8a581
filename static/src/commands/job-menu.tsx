import { useNavigate } from '@tanstack/react-router'
import { Activity, Copy, Ellipsis, FilePen, Pause, Pencil, Play, Trash2, Zap } from 'lucide-react'
import { useOffer } from '@/access/rights'
import { IconButton } from '@/components/button'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { type Commanded, useJobCommands } from './jobs'
import { CommandItem } from './offered-item'

/** All commands about one job. */
export function JobMenu({ job, onDeleted }: { job: Commanded; onDeleted?: () => void }) {
  const commands = useJobCommands(job)
  const navigate = useNavigate()
  // A caller who may only read has no groups to separate.
  const commanded = useOffer('pauseJob').shown
  const params = { jobId: job.id }
  return (
    <Menu trigger={<IconButton icon={Ellipsis} label={`More for ${job.name}`} />}>
      <CommandItem
        command="runJobNow"
        icon={Zap}
        disabled={job.status === 'DELETED'}
        onSelect={() => void commands.runNow()}
      >
        Run now
      </CommandItem>
      <CommandItem
        command="runJobNow"
        icon={FilePen}
        disabled={job.status === 'DELETED'}
        onSelect={() => void commands.runWith()}
      >
        Run with another payload…
      </CommandItem>
      {job.missedFireTime && (
        <CommandItem command="resumeJob" icon={Zap} onSelect={() => void commands.resumeAndRun()}>
          Resume and run
        </CommandItem>
      )}
      {job.status === 'PAUSED' ? (
        <CommandItem command="resumeJob" icon={Play} onSelect={() => void commands.resume()}>
          Resume
        </CommandItem>
      ) : (
        <CommandItem
          command="pauseJob"
          icon={Pause}
          disabled={job.status === 'DELETED' || job.hasEnded}
          onSelect={() => void commands.pause()}
        >
          Pause
        </CommandItem>
      )}
      <MenuItem icon={Activity} onSelect={() => void navigate({ to: '/executions', search: { job: job.id } })}>
        View executions
      </MenuItem>
      {commanded && <MenuLine />}
      <CommandItem
        command="updateJob"
        icon={Pencil}
        disabled={job.status === 'DELETED'}
        onSelect={() => void navigate({ to: '/jobs/$jobId/edit', params })}
      >
        Edit
      </CommandItem>
      <CommandItem
        command="createJob"
        icon={Copy}
        onSelect={() => void navigate({ to: '/jobs/new', search: { clone: job.id } })}
      >
        Clone
      </CommandItem>
      {commanded && <MenuLine />}
      <CommandItem
        command="deleteJob"
        icon={Trash2}
        danger
        disabled={job.status === 'DELETED'}
        onSelect={() => void commands.remove().then((gone) => gone && onDeleted?.())}
      >
        Delete
      </CommandItem>
    </Menu>
  )
}
