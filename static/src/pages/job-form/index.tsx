// Creates a job, a copy of one, or a new version of one.

import { useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { FileQuestion, RotateCcw } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { Guarded } from '@/access/guarded'
import { InNamespace } from '@/access/me'
import { ApiError, send } from '@/api/client'
import { CreateJobDocument, FormJobDocument, type FormJobFragment, UpdateJobDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { ChangeList } from '@/components/change-list'
import { Missing, Page } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { useToast } from '@/components/toasts'
import { UpLink } from '@/components/up-link'
import { type Change, changesOf } from '@/format/changes'
import { viewerZone } from '@/format/time'
import { JobForm } from './form'
import { inputOf, newValues, valuesOf } from './values'

const newRoute = getRouteApi('/jobs/new')
const editRoute = getRouteApi('/jobs/$jobId/edit')

/** Creates a job, or a copy of one. */
export function NewJob() {
  return (
    <Guarded command="createJob">
      <NewJobPage />
    </Guarded>
  )
}

function NewJobPage() {
  const { clone } = newRoute.useSearch()
  const original = useApi(FormJobDocument, { id: clone ?? '' }, { enabled: clone !== undefined })
  return (
    <Page up={<UpLink to="/jobs" />} title={clone ? 'Clone job' : 'New job'}>
      {clone ? (
        <QueryBoundary query={original} what="the job to clone" lines={8}>
          {({ job }) => <CreateForm original={job} />}
        </QueryBoundary>
      ) : (
        <CreateForm original={null} />
      )}
    </Page>
  )
}

function CreateForm({ original }: { original: FormJobFragment | null }) {
  const navigate = useNavigate()
  const toast = useToast()
  const copy = original && { ...valuesOf(original), name: `${original.name} (copy)`.slice(0, 255) }
  return (
    <JobForm
      values={copy ?? newValues(viewerZone)}
      action="Create job"
      onSave={async (input) => {
        const { createJob } = await send(CreateJobDocument, { input, maskedFrom: original?.id ?? null })
        toast({ kind: 'done', message: `“${createJob.name}” is created.` })
        return () => navigate({ to: '/jobs/$jobId', params: { jobId: createJob.id } })
      }}
      onCancel={() => void navigate({ to: '/jobs' })}
    />
  )
}

/** Edits a job. */
export function EditJob() {
  return (
    <Guarded command="updateJob">
      <EditJobPage />
    </Guarded>
  )
}

function EditJobPage() {
  const { jobId } = editRoute.useParams()
  // Without the cache: the version of an old answer could not be saved.
  const read = useApi(FormJobDocument, { id: jobId }, { staleTime: Number.POSITIVE_INFINITY, gcTime: 0 })
  return (
    <Page
      up={
        <Link to="/jobs/$jobId" params={{ jobId }}>
          {read.data?.job?.name ?? 'Job'}
        </Link>
      }
      title={read.data?.job ? `Edit “${read.data.job.name}”` : 'Edit job'}
    >
      <QueryBoundary query={read} what="the job" lines={8}>
        {({ job }) =>
          job && job.status !== 'DELETED' ? (
            <InNamespace value={job.namespace}>
              <Guarded command="updateJob">
                <EditForm key={jobId} first={job} />
              </Guarded>
            </InNamespace>
          ) : (
            <Missing icon={FileQuestion} title="There is no such job">
              It may have been deleted.
            </Missing>
          )
        }
      </QueryBoundary>
    </Page>
  )
}

interface Conflict {
  newest: FormJobFragment
  changes: Change[]
}

function EditForm({ first }: { first: FormJobFragment }) {
  // The edited values do not change under the user, whatever is read again.
  const [job, setJob] = useState(first)
  const [conflict, setConflict] = useState<Conflict | null>(null)
  const navigate = useNavigate()
  const queries = useQueryClient()
  const toast = useToast()
  const back = () => navigate({ to: '/jobs/$jobId', params: { jobId: job.id } })
  return (
    <JobForm
      key={job.version}
      values={valuesOf(job)}
      action="Save changes"
      edited={job}
      notice={
        conflict && (
          <ConflictNotice
            key={conflict.newest.version}
            conflict={conflict}
            onLoad={() => {
              setJob(conflict.newest)
              setConflict(null)
            }}
          />
        )
      }
      onSave={async (input) => {
        setConflict(null)
        try {
          const { updateJob } = await send(UpdateJobDocument, { id: job.id, input, version: job.version })
          toast({ kind: 'done', message: `“${updateJob.name}” is saved.` })
          await queries.invalidateQueries()
          return back
        } catch (error) {
          if (!(error instanceof ApiError && error.code === 'CONFLICT')) throw error
          const { job: newest } = await send(FormJobDocument, { id: job.id })
          if (!newest) throw error
          setConflict({ newest, changes: changesOf(shownOf(job), shownOf(newest)) })
          return undefined
        }
      }}
      onCancel={() => void back()}
    />
  )
}

/** The fields of a job that another user may have changed. */
function shownOf(job: FormJobFragment) {
  return { status: job.status, ...inputOf(valuesOf(job)), payload: job.payload }
}

function ConflictNotice({ conflict, onLoad }: { conflict: Conflict; onLoad: () => void }) {
  const element = useRef<HTMLDivElement>(null)
  // The focus scrolls it into view, from the other end of the form.
  useEffect(() => element.current?.focus(), [])
  return (
    <div
      ref={element}
      role="alert"
      tabIndex={-1}
      className="flex flex-wrap items-center justify-between gap-3 rounded-lg border border-warn/30 bg-warn/8 px-4 py-3 text-sm"
    >
      <div className="min-w-0">
        <p>
          <strong className="font-semibold">Another user changed this job.</strong> What you typed is still here;
          loading it again replaces it by the newest version.
        </p>
        <ChangeList changes={conflict.changes} />
      </div>
      <Button icon={RotateCcw} onClick={onLoad}>
        Load it again
      </Button>
    </div>
  )
}
