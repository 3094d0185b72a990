// Package logs serves CloudWatch Logs over the log files of jobs, endpoints and functions.
//
// A group is a folder, a stream a file in it: <dir>/TrainingJobs/<job>/algo-1-<ms>.log is stream "<job>/algo-1-<ms>" of group
// "/aws/sagemaker/TrainingJobs"; <dir>/Functions has the groups "/aws/lambda/<name>". Hosts write the files themselves, so that nothing stands between them and the disk; an event is a line, its
// place is its offset, and its time lies between the stream's beginning, which its name tells, and the file's last change. No file is read
// whole to answer one page.
package logs
