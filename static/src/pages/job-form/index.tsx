import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

/** Creates a job, or a copy of one. */
export function NewJob() {
  return (
    <Page title="New job">
      <Empty title="This page is not built yet" />
    </Page>
  )
}

/** Edits a job. */
export function EditJob() {
  return (
    <Page title="Edit job">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
