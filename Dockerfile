# The programs and the Python environment of the workflow, with a copy of the project:
#   docker build --tag moirepol .
#   docker run --rm --volume "$PWD/results:/moirepol/results" moirepol fig2
# envs/prove_container.py runs the same steps in a bare Debian system, without Docker.
FROM debian:bookworm-slim
ENV LANG=C.UTF-8
ENV MOIREPOL_VENV=/opt/moirepol
WORKDIR /moirepol
COPY . .
RUN bash -c 'source envs/setup.sh' && rm -rf /var/lib/apt/lists/* /root/.cache
ENTRYPOINT ["./run"]
